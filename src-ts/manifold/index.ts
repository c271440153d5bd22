/** `headwater/manifold`: sparse dictionaries whose atoms are points, curves and surfaces. */
export {
  ArrayFile,
  openArray,
  writeNpy,
  writeSafetensors,
  type ArrayDtype,
  type OpenArrayOptions,
  type ReadOptions,
  type ReadRowsOptions,
  type TensorToWrite,
} from './arrays.ts'
export {
  dictionaryAgreement,
  type AtomMatch,
  type DictionaryAgreement,
  type DictionaryAgreementOptions,
} from './agreement.ts'
export {
  coActivationPairs,
  DecoderIncoherence,
  type CoActivationPairs,
  type DecoderIncoherenceOptions,
  type DecoderOverlaps,
  type IncoherenceSchedule,
  type Supports,
} from './incoherence.ts'
export { exportSaeLens, type SaeLensDictionary } from './sae-lens.ts'
export { Dictionary, type ActiveAtom, type AmortisedEncoder, type EncodeOptions } from './dictionary.ts'
export type {
  AtomClaim,
  DictionaryAtom,
  DictionaryCertificate,
  DictionaryCheck,
  DictionaryCodes,
  DictionaryControl,
  DictionaryFields,
  DictionaryScore,
  DictionaryStrengths,
} from './dictionary-types.ts'
export { fitDictionary, type ChosenDictionaryOptions, type FitDictionaryOptions } from './fit.ts'
export {
  DictionaryProblem,
  dictionaryProblem,
  type AtomShape,
  type DictionaryCallOptions,
  type DictionaryCriterion,
  type DictionaryMinimum,
  type DictionaryProblemOptions,
  type GateOptions,
  type MinimumEvidence,
  type Numbers,
  type StationaritySolution,
  type StrengthOptions,
} from './problem.ts'
export {
  selectDictionary,
  type DictionaryCandidate,
  type DictionarySelection,
  type SelectDictionaryOptions,
  type Topology,
} from './select.ts'
export {
  fitDictionaryStream,
  WideDictionary,
  type FitDictionaryStreamOptions,
  type EncodedWide,
  type EncodeWideOptions,
  type WideCodes,
  type WideFields,
  type WidePass,
  type WideRows,
} from './fit-stream.ts'
