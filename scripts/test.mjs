// Runs everything that must hold, and ends with one line: N passed, N failed, N skipped.
//   node scripts/test.mjs [name …]     only the named steps: rust, vitest, types, …
//
// The step `devices` runs only if it is named (npm run test:devices): candle takes minutes to compile.
//
// The numbers are those of the tests that really ran, read from the tools' own reports; a check (formatting, lint,
// package) counts as one. A suite that ran no test fails, and so does a skipped test whose reason is not listed in
// __test__/skips.json.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { countCargo, countVitest } from './lib/counts.mjs'
import { fail, hostTriple, OLDEST_NODE, requireNode, requireRust, root } from './lib/tools.mjs'

process.chdir(root)
requireNode(OLDEST_NODE)
requireRust()

const bin = (name, file) => [process.execPath, join('node_modules', name, file)]
// The same profile, target and folder as the addon's build: nothing is compiled twice.
const cargo = ['--profile', 'fast', '--target', hostTriple(), '--color', 'never']
const steps = {
  rust: () => suite(['cargo', 'test', ...cargo], countCargo),
  vitest,
  types: () => check([...bin('typescript', 'bin/tsc'), '--noEmit', '-p', 'tsconfig.json']),
  'cargo fmt': () => check(['cargo', 'fmt', '--all', '--check']),
  clippy: () =>
    check(
      [
        'cargo',
        'clippy',
        ...cargo,
        '--workspace',
        '--all-targets',
        '--exclude',
        'headwater-node',
        '--exclude',
        'headwater-candle',
        '--',
        '-D',
        'warnings',
      ],
      // The addon has no tests of its own: in a test build its exports would all look unused.
      ['cargo', 'clippy', ...cargo, '-p', 'headwater-node', '--', '-D', 'warnings'],
    ),
  prettier: () => check([...bin('prettier', 'bin/prettier.cjs'), '--check', '--log-level', 'warn', '.']),
  publint: () => check([...bin('publint', 'src/cli.js'), '--strict', '--pack', 'npm']),
  attw: () => check([...bin('@arethetypeswrong/cli', 'dist/index.js'), '--pack', '.', '--profile', 'esm-only']),
  examples,
  devices: () => suite(['cargo', 'test', ...cargo, '-p', 'headwater-candle'], countCargo),
}
/** Steps that only run where they are named. */
const APART = ['devices']

const wanted = process.argv.slice(2)
for (const name of wanted)
  if (!(name in steps)) fail(`there is no step '${name}'; steps: ${Object.keys(steps).join(', ')}`)
const listed = JSON.parse(readFileSync('__test__/skips.json', 'utf8'))
const sum = { passed: 0, failed: 0, skipped: 0 }
for (const [name, run] of Object.entries(steps)) {
  if (wanted.length > 0 ? !wanted.includes(name) : APART.includes(name)) continue
  const began = Date.now()
  const { passed, failed, skipped } = run()
  const unlisted = skipped.filter((test) => typeof listed[test] !== 'string')
  for (const test of unlisted) console.log(`skipped without a reason in __test__/skips.json: ${test}`)
  const empty = passed + failed === 0
  if (empty) console.log(`${name}: no test ran`)
  sum.passed += passed
  sum.failed += failed + unlisted.length + (empty ? 1 : 0)
  sum.skipped += skipped.length - unlisted.length
  const seconds = ((Date.now() - began) / 1000).toFixed(1)
  console.log(`── ${name}: ${passed} passed, ${failed} failed, ${skipped.length} skipped (${seconds} s)`)
  for (const test of skipped) if (listed[test]) console.log(`   skipped: ${test}: ${listed[test]}`)
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed > 0 ? 1 : 0

/** Commands that pass or fail as a whole, together. */
function check(...commands) {
  let passed = true
  for (const [command, ...args] of commands) {
    const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (!done.error && done.status === 0) continue
    passed = false
    const parts = [`${command} ${args.join(' ')}`, done.error?.message, done.stdout, done.stderr]
    console.log(parts.filter(Boolean).join('\n'))
  }
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: [] }
}

/** A command whose output tells how many tests ran. */
function suite([command, ...args], count) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 2] })
  const counted = count(done.stdout ?? '')
  const bad = Boolean(done.error) || done.status !== 0
  if (bad) console.log(done.error?.message ?? '', done.stdout)
  // A failure that left no failed test behind, such as a compiler error, is one all the same.
  return bad && counted.failed === 0 ? { ...counted, failed: 1 } : counted
}

function vitest() {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-test-'))
  const report = join(folder, 'report.json')
  // prettier-ignore
  const args = [...bin('vitest', 'vitest.mjs'), 'run', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`]
  const done = spawnSync(args[0], args.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] })
  const counted = existsSync(report)
    ? countVitest(JSON.parse(readFileSync(report, 'utf8')), (file) => relative(root, file))
    : { passed: 0, failed: 1, skipped: [] }
  rmSync(folder, { recursive: true })
  return done.status !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted
}

/** Every example is a program that checks its own result and exits with 0. */
function examples() {
  const files = readdirSync('examples').filter((name) => name.endsWith('.ts'))
  const sum = { passed: 0, failed: 0, skipped: [] }
  for (const file of files) {
    const { passed, failed } = check([process.execPath, join('examples', file)])
    sum.passed += passed
    sum.failed += failed
  }
  return sum
}
