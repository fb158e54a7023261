/** A thousand users: how many cards answer them in time, what they wait, and what it costs. */

import { question } from '../store'
import { rate, time, tokens } from '../units'
import { named, number, percent, side, t } from '../words'
import { dollars, Form } from './Form'
import type { Field } from './Form'
import { useRun } from './run'
import type { Shape } from './run'

type Spread = Record<'mean' | 'p50' | 'p90' | 'p95' | 'p99', number>

interface Served {
  tensor_parallel_size: number
  cards_per_replica: number
  replicas: number
  cards: number
  ttft: Spread
  tpot: Spread
  e2e: Spread
  tokens_per_second: number
  requests_per_second: number
  met: number
  preempted: number
  cost: { low: number; high: number; million_low: number; million_high: number; dates: string } | null
}

interface Found {
  objective: { share: number }
  met: boolean | null
  fleet: Served | null
  others: Served[]
  unfit: { tensor: number; because: string }[]
  assumed: string[]
}

const FIELDS: Field[] = [
  { name: 'users', unit: '' },
  { name: 'think', unit: 's' },
  { name: 'input_tokens', unit: '' },
  { name: 'slo_ttft', unit: 's' },
  { name: 'slo_tpot', unit: 's' },
  { name: 'slo_e2e', unit: 's' },
  { name: 'slo_share', unit: '%' },
]
const SIMULATED = ['vllm', 'sglang', 'tensorrt-llm']
const PERCENTILES = ['p50', 'p90', 'p95', 'p99'] as const

/** Who asks at once is the fleet's own finding; an engine that serves one user is none of a fleet. */
const shape: Shape = ({ concurrency: _, ...asked }, wishes) => ({
  ...asked,
  ...(SIMULATED.includes(String(asked['engine'] ?? 'vllm').split('==')[0] ?? '') ? {} : { engine: 'vllm' }),
  ...wishes,
})

export function Body() {
  const run = useRun<Found>('fleet', shape)
  const found = run.value.value
  const answer = question.value.plan['output_tokens']
  return (
    <>
      {answer !== undefined && <p class="quiet">{t('fleet.work', { count: tokens(Number(answer)), on: question.value.on || '–' })}</p>}
      <Form part="fleet" fields={FIELDS} run={run} start={t('fleet.start')} />
      {found !== null && (
        <div class={run.stale.value ? 'found stale' : 'found'}>
          {found.fleet === null ? <p class="none">{t('fleet.none')}</p> : <Answered found={found} fleet={found.fleet} />}
          <ul class="plain">
            {found.unfit.map((each) => <li key={each.tensor}><bdi dir="ltr">{`TP ${each.tensor}`}</bdi>: <bdi dir={side(each.because)}>{each.because}</bdi></li>)}
            {found.assumed.map((each) => <li key={each}><bdi dir={side(each)}>{each}</bdi></li>)}
          </ul>
        </div>
      )}
    </>
  )
}

function Answered({ found, fleet }: { found: Found; fleet: Served }) {
  return (
    <>
      <dl class="figures">
        <Tile name={t('fleet.cards')} value={number(fleet.cards)} note={t('fleet.replicas', { replicas: fleet.replicas, cards: fleet.cards_per_replica })} />
        <Tile
          name={t('fleet.cost')}
          value={fleet.cost === null ? '–' : dollars(fleet.cost)}
          note={fleet.cost === null ? t('fleet.unpriced') : t('fleet.dated', { dates: fleet.cost.dates.replace(' to ', ' – ') })}
        />
        {fleet.cost !== null && <Tile name={t('recommend.million')} value={dollars({ low: fleet.cost.million_low, high: fleet.cost.million_high })} note={t('figure.per_second', { count: rate(fleet.tokens_per_second) })} />}
        <Tile name={t('fleet.met')} value={percent(fleet.met)} note={t('fleet.wanted', { share: percent(found.objective.share / 100, 0) })} />
      </dl>
      <div class="scroll">
        <table class="numbers">
          <caption class="unseen">{t('fleet.waits')}</caption>
          <thead><tr><th scope="col">{t('fleet.waits')}</th>{PERCENTILES.map((each) => <th key={each} scope="col"><bdi dir="ltr">{each}</bdi></th>)}</tr></thead>
          <tbody>
            {(['ttft', 'tpot', 'e2e'] as const).map((name) => (
              <tr key={name}><th scope="row">{named('wait', name)}</th>{PERCENTILES.map((each) => <td key={each}><bdi>{time(fleet[name][each])}</bdi></td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.others.length > 0 && <Others rows={[fleet, ...found.others]} />}
    </>
  )
}

function Tile({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd><bdi>{value}</bdi></dd>
      <dd class="note"><bdi>{note}</bdi></dd>
    </div>
  )
}

/** The other ways to split the model over cards, each with its fewest replicas. */
function Others({ rows }: { rows: Served[] }) {
  return (
    <div class="scroll">
      <table class="numbers">
        <caption class="unseen">{t('fleet.others')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('fleet.others')}</th>
            <th scope="col">{t('fleet.cards')}</th>
            <th scope="col">{named('wait', 'ttft')} <bdi dir="ltr">p95</bdi></th>
            <th scope="col">{named('wait', 'tpot')} <bdi dir="ltr">p95</bdi></th>
            <th scope="col">{t('fleet.cost')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.replicas} ${row.cards_per_replica}`}>
              <th scope="row">{t('fleet.replicas', { replicas: row.replicas, cards: row.cards_per_replica })}</th>
              <td><bdi>{number(row.cards)}</bdi></td>
              <td><bdi>{time(row.ttft.p95)}</bdi></td>
              <td><bdi>{time(row.tpot.p95)}</bdi></td>
              <td><bdi>{row.cost === null ? '–' : dollars(row.cost)}</bdi></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
