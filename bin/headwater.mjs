#!/usr/bin/env node
// The program `headwater`. Everything it does is in src-ts/cli.
import { main } from '../dist/src-ts/cli/main.js'

process.exitCode = await main(process.argv.slice(2))
