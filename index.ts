/**
 * headwater finds the sources behind measurements, at native speed, and says "converged" only when it can prove it.
 *
 * @packageDocumentation
 */
export { checkDataset, Dataset, FINDING_CODES, readOptionsFile, WEAK_FACTOR } from './src-ts/data/index.ts'
export type {
  BelowDetection,
  Category,
  CategoryOption,
  DataCheck,
  DataProblem,
  DatasetInput,
  DateOrder,
  DroppedSample,
  EquationTreatment,
  Exclusion,
  ExclusionRecord,
  FileTreatment,
  Finding,
  MissingPolicy,
  PerSpecies,
  Preset,
  ReadOptions,
  ReplacedCell,
  SpeciesCheck,
  Suggestion,
  TableOptions,
  Treatment,
  TreatmentOptions,
  UncertaintyPolicy,
  ValueTreatment,
} from './src-ts/data/index.ts'
export { deviceInfo, OpenDevice, openDevice } from './src-ts/device.ts'
export type { CudaDevice, DeviceInfo, DeviceName } from './src-ts/device.ts'
export {
  BackendUnavailableError,
  ERROR_CODES,
  HeadwaterError,
  InternalError,
  InvalidInputError,
  WARNING_CODES,
} from './src-ts/errors.ts'
export type { CudaReason, InputDetails, InputProblem } from './src-ts/errors.ts'
export type { JobOptions, Progress } from './src-ts/job.ts'
export { Matrix } from './src-ts/matrix.ts'
export type { MatrixLike, MatrixNames, NumberArray } from './src-ts/matrix.ts'
export { configure, version } from './src-ts/native.ts'
export type { ConfigureOptions } from './src-ts/native.ts'
export { analyze } from './src-ts/pmf/analyze.ts'
export type {
  Analysis,
  Fit,
  LargeResidual,
  MassRegression,
  Normality,
  Regression,
  SpeciesFit,
} from './src-ts/pmf/analyze.ts'
export type {
  BootstrapDisplacedElement,
  BootstrapDisplacement,
  BootstrapDisplacementInterval,
  BootstrapDisplacementOptions,
  DisplacedResample,
} from './src-ts/pmf/bootstrap-displacement.ts'
export type { Bootstrap, BootstrapOptions, BootstrapStatistics, Resample } from './src-ts/pmf/bootstrap.ts'
export type { DownweightedCell, DownweightedCells, DownweightedOptions } from './src-ts/pmf/cell-weights.ts'
export { certify } from './src-ts/pmf/certify.ts'
export type { Verdict } from './src-ts/pmf/certify.ts'
export type {
  DisplacedElement,
  Displacement,
  DisplacementInterval,
  DisplacementOptions,
} from './src-ts/pmf/displacement.ts'
export type { ElementChoice } from './src-ts/pmf/displacement-options.ts'
export { summarizeErrors } from './src-ts/pmf/error-summary.ts'
export type { ElementErrors, ErrorEstimates, ErrorSummary, FactorErrors } from './src-ts/pmf/error-summary.ts'
export { posteriorCoverage } from './src-ts/pmf/posterior.ts'
export type {
  Posterior,
  PosteriorChain,
  PosteriorCoverage,
  PosteriorOptions,
  PosteriorQuantiles,
} from './src-ts/pmf/posterior.ts'
export type { ResamplingOptions } from './src-ts/pmf/resampling-options.ts'
export { factorizeStream } from './src-ts/pmf/factorize-stream.ts'
export type { FactorizeStreamOptions, Learnt, StreamedFit, StreamPass } from './src-ts/pmf/factorize-stream.ts'
export type { Batch, Batches, BatchSource } from './src-ts/pmf/batches.ts'
export { score } from './src-ts/pmf/score.ts'
export type { Score, ScoreOptions } from './src-ts/pmf/score.ts'
export { Factorization } from './src-ts/pmf/factorization.ts'
export type { ChosenOptions, FactorizationFields, FactorizationJson, JsonMatrix } from './src-ts/pmf/factorization.ts'
export { factorize } from './src-ts/pmf/factorize.ts'
export type { DataSource } from './src-ts/pmf/data.ts'
export type { Loss, Robust } from './src-ts/pmf/loss.ts'
export type { Estimated, StandardErrorOptions, StandardErrors } from './src-ts/pmf/standard-errors.ts'
export type * from './src-ts/pmf/types.ts'
export { writeReport } from './src-ts/report/index.ts'
export type { ReportInput, ReportOptions } from './src-ts/report/index.ts'
