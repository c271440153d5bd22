/** Reading, pairing, treating and checking the data of a factorisation. */
export { checkDataset } from './check.ts'
export type { DataCheck, Finding, SpeciesCheck } from './check.ts'
export { DATA_ERROR_CODES, FINDING_CODES } from './codes.ts'
export { Dataset } from './dataset.ts'
export type { Suggestion } from './categories.ts'
export type { DatasetInput, EquationTreatment, FileTreatment, Treatment } from './dataset.ts'
export type { PerSpecies } from './equation.ts'
export type { ExclusionRecord } from './exclude.ts'
export type { DateOrder } from './dates.ts'
export { readOptionsFile, WEAK_FACTOR } from './options.ts'
export type {
  BelowDetection,
  Category,
  CategoryOption,
  Exclusion,
  MissingPolicy,
  Preset,
  ReadOptions,
  TreatmentOptions,
  UncertaintyPolicy,
} from './options.ts'
export { describeProblem, SHOWN_PROBLEMS } from './problems.ts'
export type { DataProblem } from './problems.ts'
export type { TableOptions } from './table.ts'
export type { DroppedSample, ReplacedCell, ValueTreatment } from './treatment.ts'
