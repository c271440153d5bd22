#!/usr/bin/env node
// The program `headwater`. Everything it does is in src-ts/cli.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  console.error(
    `headwater: Node ${process.versions.node} is too old: install Node 22.13 or newer (https://nodejs.org).`,
  )
  process.exitCode = 69
} else {
  // Not a static import: an old Node would fail before the check.
  const { main } = await import('../dist/src-ts/cli/main.js')
  process.exitCode = await main(process.argv.slice(2))
}
