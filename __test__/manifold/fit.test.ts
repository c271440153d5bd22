import { factorize } from 'headwater'
import { Dictionary, fitDictionary, selectDictionary, type DictionaryCodes } from 'headwater/manifold'
import { expect, test } from 'vitest'
import { planted, SplitMix } from '../reference/manifold/planted.ts'

const rowsOf = (of: { rows: number; p: number; values: Float64Array<ArrayBuffer> }, from = 0, to = of.rows) => ({
  rows: to - from,
  cols: of.p,
  data: of.values.slice(from * of.p, to * of.p),
})

/** Σ a BᵀΦ(t) + offset of circles with one harmonic, from the definition. */
function said(dictionary: Dictionary, codes: DictionaryCodes): number[] {
  const out: number[] = []
  let slot = 0
  for (let n = 0; n < codes.rows; n++) {
    const row = [...dictionary.offset]
    for (let i = 0; i < codes.sizes[n]!; i++, slot++) {
      const { decoder } = dictionary.atoms[codes.atoms[slot]!]!
      const t = 2 * Math.PI * codes.coordinates[slot]!
      const phi = [1, Math.sin(t), Math.cos(t)]
      for (let o = 0; o < dictionary.columns; o++) {
        for (let m = 0; m < 3; m++) row[o]! += codes.amounts[slot]! * phi[m]! * decoder.data[m * decoder.cols + o]!
      }
    }
    out.push(...row)
  }
  return out
}

test('planted circles: status, figures and codes are what they say', async () => {
  const of = planted('T1b')
  const data = rowsOf(of)
  const dictionary = await fitDictionary(data, { atoms: of.atoms, trainRows: of.train, seed: 1 })
  expect(dictionary.status).toBe('converged')
  expect(dictionary.certificate.checks.every((check) => check.status === 'passed')).toBe(true)
  expect(dictionary.heldOut!.ev).toBeGreaterThan(of.ceiling.ev - 0.002)
  expect(dictionary.atoms.map((atom) => atom.claim)).toEqual(Array(6).fill('holds'))
  expect(dictionary.noise).toBeCloseTo(0.0025, 3)

  // Held-out figures by hand, from codes and decoders alone.
  const test = rowsOf(of, of.train)
  const { score, ...codes } = await dictionary.encode(test)
  const fitted = said(dictionary, codes)
  const decoded = dictionary.decode(codes)
  fitted.forEach((x, at) => expect(decoded.data[at]).toBeCloseTo(x, 10))
  const mean = (o: number): number => {
    let sum = 0
    for (let n = 0; n < test.rows; n++) sum += test.data[n * of.p + o]!
    return sum / test.rows
  }
  const means = Array.from({ length: of.p }, (_, o) => mean(o))
  let [left, total] = [0, 0]
  test.data.forEach((x, at) => {
    left += (x - fitted[at]!) ** 2
    total += (x - means[at % of.p]!) ** 2
  })
  expect(score.ev).toBeCloseTo(1 - left / total, 10)
  expect(score).toEqual(dictionary.heldOut)

  // The length: errors, codes (which atom, two numbers each) and decoders.
  const energy = dictionary.atoms.map(() => ({ rows: 0, sum: 0, square: 0 }))
  let slot = 0
  for (let n = 0; n < codes.rows; n++) {
    for (let i = 0; i < codes.sizes[n]!; i++, slot++) {
      const of = energy[codes.atoms[slot]!]!
      const one = { ...codes, rows: 1, sizes: [1], atoms: [codes.atoms[slot]!], amounts: [codes.amounts[slot]!] }
      const row = said(dictionary, { ...one, coordinates: [codes.coordinates[slot]!] } as unknown as DictionaryCodes)
      of.rows++
      of.square += codes.amounts[slot]! ** 2
      of.sum += row.reduce((sum, x, o) => sum + (x - dictionary.offset[o]!) ** 2, 0)
    }
  }
  const [cells, log1p] = [test.rows * of.p, Math.log1p]
  // The variance of an amplitude's prior over that of its error.
  const ratio = (k: number, noise: number) =>
    energy[k]!.sum / (dictionary.strengths.amplitude[k]! * noise * energy[k]!.square)
  const told = energy.map(({ rows }, k) => rows * (2 - 1 / (1 + ratio(k, dictionary.noise))))
  const noise = left / (cells - told.reduce((sum, x) => sum + x, 0))
  const codesCost = energy.map(
    ({ rows, sum }, k) => rows * (Math.log(6) + 0.5 * log1p(sum / (noise * rows * 2)) + 0.5 * log1p(ratio(k, noise))),
  )
  const decodersCost = energy.map(({ rows }) => 0.5 * 3 * of.p * Math.log(rows))
  const length = [...codesCost, ...decodersCost].reduce((sum, x) => sum + x, 0.5 * cells * Math.log(noise))
  expect(score.length / length).toBeCloseTo(1, 10)

  // The rows of the fit get its codes again, bit by bit.
  const again = await dictionary.encode(rowsOf(of, 0, of.train))
  expect(again.coordinates).toEqual(dictionary.codes.coordinates)
  expect(again.amounts).toEqual(dictionary.codes.amounts)
  const clone = new Dictionary(structuredClone({ ...dictionary }))
  expect(clone.activeAtoms(5)).toEqual(dictionary.activeAtoms(5))

  const encoder = await dictionary.amortise(rowsOf(of, 0, of.train), { heldOut: test })
  expect(encoder.gap.evExact).toBeCloseTo(score.ev!, 12)
  expect(encoder.gap.evAmortised!).toBeGreaterThan(0.8)
  expect(encoder.gap.evAmortised!).toBeLessThan(score.ev!)
  const quick = dictionary.encodeAmortised(encoder, test)
  let same = 0
  quick.atoms.forEach(
    (atom, at) => (same += Number(quick.atoms.length === codes.atoms.length && atom === codes.atoms[at])),
  )
  expect(same / codes.atoms.length).toBeCloseTo(encoder.gap.agreement, 10)
}, 60_000)

test('points that are not negative are weighted non-negative factorisation', async () => {
  const random = new SplitMix(7)
  const [n, p, k] = [60, 10, 3]
  const [w, h] = [n * k, k * p].map((size) =>
    Float64Array.from({ length: size }, () => Math.max(0, random.uniform() - 0.3)),
  )
  const noise = random.normals(n * p)
  const values: number[][] = []
  const uncertainties: number[][] = []
  for (let i = 0; i < n; i++) {
    const row = Array.from({ length: p }, (_, j) => {
      let sum = 0
      for (let f = 0; f < k; f++) sum += w![i * k + f]! * h![f * p + j]!
      return sum
    })
    const sigma = row.map((x) => 0.02 + 0.1 * x)
    values.push(row.map((x, j) => x + sigma[j]! * noise[i * p + j]!))
    uncertainties.push(sigma)
  }
  const best = await factorize({ values, uncertainties }, { factors: k, starts: 20, seed: 1 })
  const dictionary = await fitDictionary(values, {
    ...{ atoms: k, topology: 'constant', active: k, gate: { kind: 'amplitude', prior: 'half-normal' } },
    ...{ nonNegative: true, prune: false, smoothing: 'none', restarts: 8 },
    cellWeights: uncertainties.map((row) => row.map((u) => u ** -2)),
  })
  expect(dictionary.status).toBe('converged')
  const q = 2 * dictionary.value
  const basin = best.basins.find((one) => Math.abs(one.q - q) <= 1e-8 * q)
  expect(basin, `Q ${q} is one of ${best.basins.map((one) => one.q)}`).toBeDefined()
  expect(q).toBeLessThan(best.q * (1 + 1e-8))
}, 60_000)

test('the number of atoms and their shape are chosen on held-out rows', async () => {
  const of = planted('T1a')
  const found = await selectDictionary(rowsOf(of, 0, 600), {
    ...{ atoms: [2, 4], trainRows: 450, restarts: 1 },
  })
  expect(found.verdict).toBe('knee')
  expect(found.chosen.atoms.map((atom) => atom.shape)).toEqual(Array(3).fill({ topology: 'circle', harmonics: 1 }))
  expect(found.survivesControls).toBe(true)
  const ev = (kind: string) => found.chosen.controls!.find((control) => control.kind === kind)!.ev!
  // Two numbers a row: components say far less. Three directions a plane with two on tie: what curves buy is the phase.
  expect(ev('components-at-equal-codes')).toBeLessThan(found.chosen.heldOut!.ev! - 0.2)
  expect(Math.abs(ev('directions') - found.chosen.heldOut!.ev!)).toBeLessThan(0.05)
  expect(ev('shuffled-columns')).toBeLessThan(0.5)
  expect(found.candidates).toHaveLength(4)
}, 120_000)

test('atoms change to the shape that held-out rows ask for', async () => {
  const random = new SplitMix(5)
  const [rows, p] = [600, 10]
  const axes = Array.from({ length: 6 }, () => random.normals(p))
  const data = Array.from({ length: rows }, (_, n) => {
    const [t, noise, turn] = [random.normals(1)[0]!, random.normals(p), 2 * Math.PI * random.uniform()]
    const phi = n % 2 === 0 ? [1, t, 0, 0] : [0, 0, Math.sin(turn), Math.cos(turn)]
    return Array.from(noise, (e, o) => 0.05 * e + phi.reduce((sum, x, m) => sum + x * axes[m]![o]!, 0))
  })
  const options = { atoms: 2, trainRows: 400, centre: false }
  const circles = await fitDictionary(data, options)
  const raced = await fitDictionary(data, {
    ...options,
    race: ['linear', 'circle', { topology: 'patch', dimension: 1 }],
  })
  expect(circles.atoms.map((atom) => atom.shape)).toEqual(Array(2).fill({ topology: 'circle', harmonics: 1 }))
  const shapes = raced.atoms.map((atom) => atom.shape)
  expect(shapes).toHaveLength(2)
  expect(shapes).toContain('linear')
  expect(shapes).toContainEqual({ topology: 'circle', harmonics: 1 })
  expect(raced.status).toBe('converged')
  expect(raced.heldOut!.length).toBeLessThan(circles.heldOut!.length)
  // What was raced is a dictionary like any other.
  const again = await raced.encode(data.slice(0, 400))
  expect([...again.coordinates]).toEqual([...raced.codes.coordinates])

  await expect(fitDictionary(data, { atoms: 2, race: ['linear'] })).rejects.toMatchObject({ code: 'options-conflict' })
  await expect(fitDictionary(data, { ...options, race: ['ring' as 'circle'] })).rejects.toMatchObject({
    problems: [expect.objectContaining({ name: 'race[0]' })],
  })
  await expect(fitDictionary(data, { ...options, gate: { kind: 'softmax' }, race: ['linear'] })).rejects.toMatchObject({
    code: 'options-conflict',
  })
}, 60_000)

test('wrong options come back at once; aborts reject', async () => {
  const of = planted('T5')
  const data = rowsOf(of)
  await expect(
    fitDictionary(data, { atoms: 0, topology: 'ring' as 'circle', activ: 1, trainRows: 3, heldOut: data } as never),
  ).rejects.toMatchObject({ problems: expect.arrayContaining([expect.objectContaining({ name: 'atoms' })]) })
  await expect(fitDictionary(data, { atoms: 2, controls: true })).rejects.toMatchObject({ code: 'options-conflict' })
  await expect(fitDictionary(data, { atoms: 2, trainRows: of.rows })).rejects.toMatchObject({
    code: 'option-out-of-range',
  })
  await expect(fitDictionary([[1, Infinity]], { atoms: 1 })).rejects.toMatchObject({
    ...{ code: 'value-not-finite', argument: 'data', row: 0, col: 1 },
  })
  await expect(fitDictionary([[1, 2]], { atoms: 2 })).rejects.toMatchObject({ code: 'too-many-atoms' })
  await expect(fitDictionary(data, { atoms: 1, smoothing: 'none' })).rejects.toMatchObject({ code: 'prior-not-proper' })
  const controller = new AbortController()
  const reason = new Error('enough')
  const running = fitDictionary(data, { atoms: 8, active: 4, signal: controller.signal })
  controller.abort(reason)
  await expect(running).rejects.toBe(reason)
})

test('data beyond what squares can hold are refused, and odd tables have finite answers', async () => {
  for (const scale of [1e-150, 1e150]) {
    const rows = [
      [scale, 2 * scale],
      [3 * scale, -scale],
    ]
    await expect(fitDictionary(rows, { atoms: 1 })).rejects.toMatchObject({ code: 'scale-overflow' })
  }
  const shapes = ['constant', 'linear', 'circle', 'torus', 'patch'] as const
  const gates = [{ kind: 'amplitude' }, { kind: 'unit' }, { kind: 'softmax' }] as const
  const random = new SplitMix(31)
  for (const topology of shapes) {
    for (const gate of gates) {
      // One row; one column; equal rows; more columns than rows.
      for (const [rows, cols, size] of [
        [1, 4, 1],
        [9, 1, 1e8],
        [6, 3, 0],
        [4, 7, 1e-8],
      ] as const) {
        const data = random.normals(rows * cols).map((x) => size * x)
        const found = await fitDictionary(
          { rows, cols, data },
          { atoms: 1, topology, gate, prune: false, maxIterations: 40 },
        )
        const numbers = [found.value, found.noise, ...found.offset, ...found.codes.amounts, ...found.codes.coordinates]
        for (const { decoder } of found.atoms) numbers.push(...decoder.data)
        expect(numbers.every(Number.isFinite), `${topology}, ${gate.kind}, ${rows} × ${cols}`).toBe(true)
      }
    }
  }
}, 60_000)

test('rows that are all equal, and rows of noise, have no structure', async () => {
  const equal = await fitDictionary(
    Array.from({ length: 30 }, () => [1, 2, 3]),
    { atoms: 2 },
  )
  expect(equal.atoms).toEqual([])
  expect(equal.decode().data.slice(0, 3)).toEqual(Float64Array.of(1, 2, 3))
  const noise = { rows: 240, cols: 8, data: new SplitMix(6001).normals(240 * 8) }
  const none = await fitDictionary(noise, { atoms: 4 })
  expect(none.atoms).toEqual([])
  const codes = await none.encode(noise)
  expect(codes.sizes.every((size) => size === 0)).toBe(true)
  expect(codes.score.ev).toBeCloseTo(0, 10)
}, 60_000)

test('places on surfaces are proved where they can be, and said not to be where they cannot', async () => {
  const random = new SplitMix(17)
  const [rows, cols] = [120, 16]
  const axes = random.normals(9 * cols)
  const data = new Float64Array(rows * cols)
  for (let n = 0; n < rows; n++) {
    const [t, u] = [2 * Math.PI * random.uniform(), 2 * Math.PI * random.uniform()]
    const phi = [1, Math.sin(t), Math.cos(t), Math.sin(u), Math.cos(u)]
    const noise = random.normals(cols)
    for (let o = 0; o < cols; o++) {
      data[n * cols + o] = phi.reduce((sum, x, i) => sum + x * axes[i * cols + o]!, 0.1 * noise[o]!)
    }
  }
  const places = async (atoms: Parameters<typeof fitDictionary>[1]['atoms'], more = {}) => {
    const found = await fitDictionary({ rows, cols, data }, { atoms, seed: 1, restarts: 2, maxRounds: 4, ...more })
    return found.certificate.checks.find((check) => check.name === 'places')!
  }
  const proved = { status: 'passed', value: 0 }
  expect(await places([{ topology: 'torus', harmonics: 1 }])).toMatchObject(proved)
  expect(await places([{ topology: 'patch', dimension: 2 }])).toMatchObject(proved)
  const open = await places([{ topology: 'patch', dimension: 3 }])
  expect(open).toMatchObject({ status: 'unknown', value: Number.NaN })
  expect(open.message).toMatch(/: [1-9]\d*$/)
}, 60_000)
