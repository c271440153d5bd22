import { Dataset } from '../src-ts/data/dataset.ts'
import { analyze, Factorization } from '../index.ts'
import { checkDataset } from '../src-ts/data/check.ts'
import { writeReport } from '../src-ts/report/index.ts'
import { readFileSync } from 'node:fs'
const ex='examples/data/'
for (const [name,con,unc,factors] of [['stlouis','Dataset-StLouis-con.csv','Dataset-StLouis-unc.csv',6],['baltimore','Dataset-Baltimore_con.txt','Dataset-Baltimore_unc.txt',7],['batonrouge','Dataset-BatonRouge-con.csv','Dataset-BatonRouge-unc.csv',4]] as const) {
  const data = await Dataset.read(ex+con, ex+unc)
  const model = Factorization.fromJSON(readFileSync(`/tmp/model-${name}.json`,'utf8'))
  const t=performance.now()
  const analysis = await analyze(data, model)
  const files = await writeReport({directory:`/tmp/rep/${name}`, data, model, analysis, check: checkDataset(data), title: `${name}, ${factors} factors`, command: `headwater fit ${con} ${unc} --factors ${factors} --seed 1` })
  console.log(name, files.length, performance.now()-t)
}
