// What test tools report, as { passed, failed, skipped: [name …] }.

/** From the output of `cargo test`: the sum over its binaries, with the names of ignored tests. */
export function countCargo(output) {
  const sum = { passed: 0, failed: 0, skipped: [] }
  for (const [, passed, failed] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)) {
    sum.passed += Number(passed)
    sum.failed += Number(failed)
  }
  for (const [, name] of output.matchAll(/^test (.+?) \.\.\. ignored/gm)) sum.skipped.push(`cargo: ${name}`)
  return sum
}

/** From vitest's JSON report. A file that failed before its first test counts as one failure. */
export function countVitest(report, nameOf = (file) => file) {
  const sum = { passed: 0, failed: 0, skipped: [] }
  for (const file of report.testResults) {
    const failedBefore = sum.failed
    for (const test of file.assertionResults) {
      if (test.status === 'passed') sum.passed++
      else if (test.status === 'failed') sum.failed++
      else sum.skipped.push(`${nameOf(file.name).replaceAll('\\', '/')}: ${test.fullName}`)
    }
    const none = file.assertionResults.length === 0
    if ((file.status === 'failed' || none) && sum.failed === failedBefore) sum.failed++
  }
  return sum
}
