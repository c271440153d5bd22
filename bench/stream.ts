// A fit by passes over a table that is made row by row: a million samples like Baltimore's, which would take 830 MB with
// their uncertainties in memory once. Time of a pass, memory, and what one look at every row gives.
//   node bench/stream.ts [rows]
import { factorize, factorizeStream, Matrix, type Batch } from '../index.ts'
import { machine, seconds } from './common.ts'
import { load } from './sets.ts'

console.log(machine())
