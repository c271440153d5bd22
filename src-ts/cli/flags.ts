/** The programming interface's option names, and how they are written on the command line. */

/** Option name in code → flag. */
export const FLAGS: Readonly<Record<string, string>> = {
  dateOrder: '--date-order',
  delimiter: '--delimiter',
  decimal: '--decimal',
  encoding: '--encoding',
  preamble: '--preamble',
  ignore: '--ignore',
  'missing.words': '--missing',
  missingPolicy: '--missing-cells',
  uncertaintyPolicy: '--zero-uncertainty',
  categories: '--strong, --weak or --bad',
  detectionLimits: '--detection-limits',
  belowDetection: '--below-detection',
  extraUncertainty: '--extra-uncertainty',
  preset: '--pmf5',
  total: '--total',
  exclude: '--exclude',
  factors: '--factors',
  starts: '--starts',
  maxStarts: '--max-starts',
  firstStart: '--first-start',
  start: '--start',
  seed: '--seed',
  method: '--method',
  robust: '--robust',
  initialization: '--initialization',
  maxIterations: '--max-iterations',
  device: '--device',
  threads: '--threads',
  atoms: '--atoms',
  topology: '--topology',
  harmonics: '--harmonics',
  dimension: '--dimension',
  active: '--active',
  gate: '--gate',
  'gate.prior': '--prior',
  nonNegative: '--non-negative',
  smoothing: '--smoothing',
  restarts: '--restarts',
  beam: '--beam',
  trainRows: '--train-rows',
  heldOut: '--held-out',
  controls: '--controls',
}

/**
 * A message of the programming interface for somebody at the command line: `the option dateOrder` becomes `--date-order`.
 * Only names that follow the word "option" are touched, or names that cannot be ordinary words.
 */
export function asFlags(message: string): string {
  return message
    .replace(/\b(?:the |an )?option "?([A-Za-z.]+)"?(?=[\s,.;:)]|$)/g, (whole, name: string) => FLAGS[name] ?? whole)
    .replace(
      /\b(dateOrder|uncertaintyPolicy|missingPolicy|maxIterations|maxStarts|firstStart|detectionLimits|belowDetection|extraUncertainty|trainRows|heldOut|nonNegative|missing\.words)\b/g,
      (name) => FLAGS[name] ?? name,
    )
    .replace(/\ban --/g, '--')
}
