/** `headwater/manifold`: sparse dictionaries whose atoms are points, curves and surfaces. */
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
