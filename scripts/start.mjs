// `npm start`: without arguments the examples with known optima, with arguments the program `headwater` itself.
import { join } from 'node:path'
import { demo } from '../dist/src-ts/cli/demo.js'
import { EXIT, exitCodeOf, tell } from '../dist/src-ts/cli/exit.js'
import { main } from '../dist/src-ts/cli/main.js'
import { root } from './lib/tools.mjs'

const args = process.argv.slice(2)
if (args.length > 0) {
  // npm runs scripts in the package's folder; file names are meant where the user is.
  if (process.env.INIT_CWD) process.chdir(process.env.INIT_CWD)
  process.exitCode = await main(args)
} else {
  process.chdir(root)
  try {
    process.exitCode = await demo(join('examples', 'data'), 'out')
  } catch (error) {
    tell(error, false)
    process.exitCode = exitCodeOf(error) ?? EXIT.internal
  }
}
