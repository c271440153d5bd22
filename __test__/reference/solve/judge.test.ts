/** The judge: right answers pass, wrong ones do not, each for its own reason. */
import { describe as group, expect, test } from 'vitest'
import { copy, diagonal, norm, plus, scaled, vector, type Vector } from './dense.ts'
import { honest, naive } from './honest.ts'
import { CONVERGED, DIVERGED, judge, mustConverge, type Reason, type Result } from './judge.ts'
import { system, systems, type Kind, type Method, type System } from './systems.ts'

const COUNT = 500
const all = [...systems(3, COUNT)]
/** The methods that `honest` has, for one that it has not. */
const METHOD: Record<Method, Method> = { cg: 'cg', minres: 'cg', cr: 'cg', cgnr: 'cgnr', lsqr: 'cgnr', direct: 'direct', shiftedHermitian: 'shiftedHermitian', cocg: 'cocg', cgw: 'cgw' } // prettier-ignore
const answers = all.map((given) => {
  const method = METHOD[given.method]
  const result = honest(given, method)
  return { given, method, result, verdict: judge(given, result, method) }
})

test(`honest solvers are right on all of ${COUNT} systems, and converge on 99 % of the sound ones`, () => {
  expect(answers.filter(({ verdict }) => !verdict.right).map(({ verdict }) => verdict.why)).toEqual([])
  const sound = answers.filter(({ given, method }) => mustConverge(given, method))
  const rate = sound.filter(({ result }) => result.converged).length / sound.length
  expect(sound.length).toBeGreaterThan(COUNT / 4)
  expect(rate).toBeGreaterThanOrEqual(0.99)
  expect(answers.filter(({ verdict }) => verdict.preferred).length / COUNT).toBeGreaterThan(0.95)
})

test('a residual that only rounding puts above the tolerance is no false claim', () => {
  for (const [index, method] of [[813, 'direct'], [3296, 'cg']] as const) {
    const about = system(2026, index)
    const result = honest(about, method)
    const verdict = judge(about, result, method)
    expect([result.reason, verdict.right]).toEqual(['accuracyLimit', true])
    expect(verdict.relative).toBeLessThan(about.rtol)
  } // prettier-ignore
})

test('a solver that believes its recurrence is wrong where it matters', () => {
  const wrong = new Map<Kind, number[]>()
  for (const given of all.slice(0, 300).filter(({ method }) => METHOD[method] === 'cg')) {
    const list = wrong.get(given.kind) ?? []
    list.push(judge(given, naive(given), 'cg').right ? 0 : 1)
    wrong.set(given.kind, list)
  }
  const share = (kind: Kind): number => wrong.get(kind)!.reduce((sum, x) => sum + x, 0) / wrong.get(kind)!.length
  for (const kind of ['planted', 'unrepresentable'] as const) expect([kind, share(kind)]).toEqual([kind, 1])
  for (const kind of ['tight', 'scaled'] as const) expect(share(kind), kind).toBeGreaterThan(0.5)
  // On definite systems it has nothing to be wrong about.
  expect(share('definite')).toBeLessThan(0.05)
})

/** A definite system of condition 100 with the usual tolerance, and its answer. */
const given: System = {
  ...system(1, 0),
  kind: 'definite',
  method: 'cg',
  n: 4,
  complex: false,
  a: diagonal([1, 10, 50, 100]),
  b: vector([1, -1, 2, 3]),
  rtol: 1e-8,
  atol: 0,
  maxIterations: 300,
  plain: { a: diagonal([1, 10, 50, 100]), b: vector([1, -1, 2, 3]) },
  scale: { a: 0, b: 0 },
  exact: true,
}
delete given.x0
delete given.inverse
delete given.shift
delete given.planted
const variant = (changes: Partial<System>): System => {
  const made = { ...given, ...changes }
  return { ...made, plain: { a: made.a, b: made.b } }
}
const good = honest(given, 'cg')
const say = (changes: Partial<Result>, about: System = given, method: Method = 'cg'): string =>
  judge(about, { ...good, ...changes }, method).why
/** x with the residual that it has. */
const withPoint = (x: Vector, about: System = given): Pick<Result, 'x' | 'residual'> => {
  const r = plus(about.b, -1, { re: about.a.re.filter((_, k) => k % 5 === 0).map((value, k) => value * x.re[k]!), im: new Float64Array(4) }) // prettier-ignore
  return { x, residual: { true: norm(r), recurrence: norm(r) } }
}

group('one answer, made wrong', () => {
  test('it was right', () => {
    expect(good.reason).toBe('rtol')
    expect(judge(given, good, 'cg')).toMatchObject({ right: true, preferred: true, why: 'rtol is true' })
  })

  test('every other reason is a false claim', () => {
    for (const reason of [...CONVERGED, ...DIVERGED]) {
      if (reason === 'rtol') continue
      const converged = (CONVERGED as readonly string[]).includes(reason)
      expect(judge(given, { ...good, reason, converged }, 'cg').right, reason).toBe(false)
    }
    expect(say({ reason: 'fine' as Reason })).toMatch('not in the closed list')
  })

  test('the form of the answer', () => {
    expect(say({ converged: false })).toMatch('but converged is false')
    expect(say({ x: vector([1]) })).toMatch('length 1')
    expect(say({ x: vector([1, NaN, 0, 0]) })).toMatch('x is not finite')
    expect(say({ residual: { true: 0.01 } })).toMatch('the true residual reported')
    expect(say({ residual: { true: NaN } })).toMatch('the true residual reported')
  })

  test('a residual above the tolerance, however little', () => {
    const off = (by: number): Partial<Result> => {
      const x = vector([1, -0.1, 0.04, 0.03])
      x.re[0]! += by * 1e-8 * norm(given.b)
      return withPoint(x)
    }
    expect(judge(given, { ...good, ...off(0.99) }, 'cg').right).toBe(true)
    expect(say(off(1.01))).toMatch('above the tolerance')
    // Half the tolerance met is no time to give up.
    const tired = { reason: 'maxIterations', converged: false, iterations: 300 } as const
    expect(say({ ...off(0.4), ...tired })).toMatch('the tolerance is met')
    expect(judge(given, { ...good, ...off(5), ...tired }, 'cg')).toMatchObject({ right: true, preferred: false })
    expect(say({ ...off(5), ...tired, iterations: 299 })).toMatch('after 299 of 300')
    expect(say({ ...off(5), ...tired, reason: 'accuracyLimit' })).toMatch('the recurrence did not converge')
    const silent = { ...off(5), residual: { true: off(5).residual!.true, recurrence: 0 } }
    expect(say({ ...silent, ...tired, reason: 'accuracyLimit' })).toMatch('rounding does not explain')
    expect(say({ ...off(5), ...tired, reason: 'stagnation', iterations: 49 })).toMatch('after 49 iterations')
    expect(judge(given, { ...good, ...off(5), ...tired, reason: 'stagnation' }, 'cg').right).toBe(true)
  })

  test('which term of the tolerance was active', () => {
    const loose = variant({ atol: 1 })
    expect(say({}, loose)).toMatch('atol is the active term')
    expect(judge(loose, { ...good, reason: 'atol' }, 'cg').right).toBe(true)
    expect(say({ reason: 'atol' })).toMatch('rtol is the active term')
  })
})

group('claims about the operator', () => {
  const failed = { converged: false, iterations: 1, ...withPoint(vector([0, 0, 0, 0])) }
  const indefinite = variant({ kind: 'indefinite', a: diagonal([1, 10, 50, -100]) })
  const singular = variant({ a: diagonal([1, 10, 50, 0]) })
  const negative = variant({ a: diagonal([-1, -10, -50, -100]) })
  const claim = (reason: Reason, about: System, method: Method = 'cg'): boolean =>
    judge(about, { ...good, ...failed, reason }, method).right

  test('indefinite, singular, negative definite', () => {
    expect([claim('indefiniteOperator', indefinite), claim('zeroCurvature', indefinite)]).toEqual([true, true])
    expect([claim('indefiniteOperator', singular), claim('zeroCurvature', singular)]).toEqual([false, true])
    expect([claim('indefiniteOperator', negative), claim('zeroCurvature', negative)]).toEqual([true, false])
    // Where the zero may be rounding's, it may be below.
    expect(claim('indefiniteOperator', { ...singular, exact: false })).toBe(true)
    expect(claim('indefiniteOperator', indefinite, 'minres')).toBe(false)
    expect([claim('zeroCurvature', indefinite, 'minres'), claim('zeroCurvature', singular, 'minres')]).toEqual([false, true]) // prettier-ignore
    expect(claim('notHermitian', indefinite)).toBe(false)
  })

  test('a solution of an indefinite system is right, and that CG found it luck', () => {
    const x = vector([1, -0.1, 0.04, -0.03])
    expect(judge(indefinite, { ...good, ...withPoint(x, indefinite) }, 'cg')).toMatchObject({ right: true, preferred: false }) // prettier-ignore
  })

  test('not Hermitian', () => {
    const a = diagonal([1, 10, 50, 100])
    a.re[1] = 0.5
    const tilted = variant({ a })
    expect([claim('notHermitian', tilted), claim('notHermitian', tilted, 'cgnr'), claim('notHermitian', given)]).toEqual([true, false, false]) // prettier-ignore
    expect(claim('indefiniteOperator', tilted)).toBe(false)
  })

  test('preconditioner', () => {
    expect(claim('indefinitePreconditioner', given)).toBe(false)
    expect(claim('indefinitePreconditioner', variant({ inverse: diagonal([1, 1, 1, 1]) }))).toBe(false)
    expect(claim('indefinitePreconditioner', variant({ inverse: diagonal([1, 1, 1, -1]) }))).toBe(true)
  })

  test('an inconsistent system has no solution; a least-squares method has one', () => {
    const x = vector([1, -0.1, 0.04, 0])
    expect(judge(singular, { ...good, ...withPoint(x, singular) }, 'cg').why).toMatch('above the tolerance')
    expect(judge(singular, { ...good, ...withPoint(x, singular) }, 'lsqr').right).toBe(true)
    expect(judge(singular, { ...good, ...withPoint(vector([1.1, -0.1, 0.04, 0]), singular) }, 'lsqr').why).toMatch('Aᴴr is not small either') // prettier-ignore
  })

  test('divergence is seen, and impossible where A is definite and its condition moderate', () => {
    const far = { ...good, reason: 'diverged', converged: false } as const
    const away = (about: System): Result => ({ ...far, ...withPoint(vector([0, 0, 1e5, 0]), about) })
    expect(judge(indefinite, away(indefinite), 'cg').right).toBe(true)
    expect(judge(given, away(given), 'cg').why).toMatch('cannot')
    expect(judge(indefinite, { ...far, ...failed }, 'cg').why).toMatch('no residual is above')
  })
})

group('claims about the input', () => {
  test('zero right-hand side', () => {
    const zero = variant({ b: vector([0, 0, 0, 0]) })
    const nil = { reason: 'zeroRhs', residual: { true: 0 } } as const
    expect(judge(zero, { ...good, ...nil, x: copy(zero.b) }, 'cg')).toMatchObject({ right: true, preferred: true })
    expect(judge(zero, { ...good, ...nil, residual: { true: 1e-9 }, x: vector([1e-9, 0, 0, 0]) }, 'cg').why).toMatch('x is not 0') // prettier-ignore
  })

  test('exact guess', () => {
    const x0 = vector([1, -0.1, 0.04, 0.03])
    const about = variant({ x0 })
    expect(judge(about, { ...good, ...withPoint(x0), reason: 'exactGuess' }, 'cg').right).toBe(true)
    expect(say({ reason: 'exactGuess', ...withPoint(scaled(1 + 1e-15, x0)) }, about)).toMatch('x is not the guess')
    const wrong = scaled(1.01, x0)
    expect(say({ reason: 'exactGuess', ...withPoint(wrong) }, variant({ x0: wrong }))).toMatch('the guess is not exact')
  })

  test('planted: the place must be right, and no other reason is', () => {
    const about = { ...given, b: vector([1, NaN, 2, 3]), planted: { where: 'b', value: NaN } } as const
    const nil = { x: vector([0, 0, 0, 0]), converged: false, reason: 'nonFinite', residual: { true: NaN } } as const
    expect(judge(about, { ...good, ...nil, location: 'b' }, 'cg').right).toBe(true)
    expect(judge(about, { ...good, ...nil }, 'cg').right).toBe(true)
    expect(judge(about, { ...good, ...nil, location: 'operator' }, 'cg').why).toMatch('found in operator, not in b')
    expect(judge(about, good, 'cg').why).toMatch('NaN was planted in b')
    expect(judge(about, { ...good, ...nil, reason: 'maxIterations', iterations: 300 }, 'cg').right).toBe(false)
  })
})

test('scaled by 1e±200, the judge sees the same residual', () => {
  const ours = answers.filter(({ given: { kind }, method }) => kind === 'scaled' && method !== 'cgnr')
  expect(ours.length).toBeGreaterThan(5)
  for (const { given: about, result, verdict } of ours) {
    expect(verdict.relative).toBeLessThanOrEqual(about.rtol * 1.01)
    const x = plus(result.x, 1e-3, result.x)
    expect(judge(about, { ...result, x }, 'cg').right).toBe(false)
  }
})
