/**
 * Every error code of reading and treating data besides those of the engine, with its meaning. Codes are
 * stable: they are only ever added.
 */
export const DATA_ERROR_CODES: Readonly<Record<string, string>> = {
  'binary-file': 'The file holds zero bytes and is no text.',
  'column-not-numeric': 'No cell of a column is a number: it is probably not a species.',
  'column-unknown': 'A column that is to be ignored does not exist.',
  'date-ambiguous': 'Dates can be read as day/month and as month/day; the option dateOrder answers.',
  'date-not-read': 'A text is not a date, or not one in the order of the others.',
  'decimal-mark-ambiguous': 'Commas may be decimal marks or thousands separators; the option decimal answers.',
  'delimiter-ambiguous': 'Two delimiters make a table of numbers; the option delimiter answers.',
  'delimiter-not-found': 'The first line is not a header with several columns.',
  'detection-limit-missing': 'Cells below detection are to be treated, and a species has no detection limit.',
  'equation-not-valid':
    'Detection limits or error fractions are not numbers in their range; fractions of a file are percent.',
  'encoding-mismatch': 'The bytes are not in the encoding that was named.',
  'file-empty': 'The file has no text.',
  'file-locked': 'Another program holds the file open.',
  'file-not-found': 'There is no such file.',
  'file-not-readable': 'The file cannot be read: a folder, no permission, or another reason that is named.',
  'floor-missing': 'No floor is known for the uncertainties of a species.',
  'header-duplicate': 'Two columns have the same name.',
  'header-missing': 'A column with entries has no name.',
  'label-missing': 'A sample has values but no label.',
  'median-not-known': 'The median of a species is not positive and cannot stand for missing values.',
  'no-samples': 'The file has a header but no samples.',
  'no-species': 'The file has no column besides the labels.',
  'not-a-number': 'A cell is neither a number nor a known word for missing.',
  'options-not-json': 'The options file is not JSON.',
  'quote-not-closed': 'A quotation mark opens and never closes.',
  'range-needs-dates': 'A range of dates is to be excluded, but samples are not dates.',
  'row-length': 'A line has more or fewer fields than the header.',
  'sample-unknown': 'A sample or range that is to be excluded does not exist.',
  'samples-do-not-match': 'Concentrations and uncertainties have different samples.',
  'species-do-not-match': 'Concentrations and uncertainties have different species.',
  'species-duplicate': 'Two species have the same name.',
  'species-unknown': 'An option names a species that the data do not have.',
  'spreadsheet-file': 'The file is an Excel workbook; save the sheet as CSV.',
  'text-after-quote': 'Text follows a closing quotation mark.',
}

/** Every code that a finding of `checkDataset` can carry, with its meaning. Codes are only ever added. */
export const FINDING_CODES: Readonly<Record<string, string>> = {
  'constant-column': 'A species has the same value in all samples.',
  'duplicate-column': 'Two species have the same values.',
  'multiple-of-column': 'A species is a constant multiple of another.',
  'total-column': 'A species seems to be the total of others.',
  'low-signal': 'The signal-to-noise of a species is low.',
  'uncertainty-large': 'Uncertainties of a species exceed its values.',
  'repeated-value': 'One value occurs in many samples of a species.',
  'negative-values': 'A species has negative values.',
  'sentinel-mixture': 'A file marks missing cells in several ways.',
  'species-without-data': 'A species has no cell with a value and an uncertainty.',
  'sample-without-data': 'A sample has no cell with a value and an uncertainty.',
  'duplicate-samples': 'A sample label occurs more than once.',
}
