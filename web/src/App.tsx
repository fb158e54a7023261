/** The page: what is asked on one side, the answer on the other. */

import { Assumed } from './answer/Assumed'
import { Compare } from './answer/Compare'
import { Launch } from './answer/Launch'
import { Ledger } from './answer/Ledger'
import { Levers } from './answer/Levers'
import { ContextPlot, Map } from './answer/Room'
import { Rules } from './answer/Rules'
import { Speed } from './answer/Speed'
import { Try } from './answer/Try'
import { Verdict, sentence, judge } from './answer/Verdict'
import { actions } from './export/exports'

import { Hardware } from './panel/Hardware'
import { Model } from './panel/Model'
import { Serving } from './panel/Serving'
import { Training } from './panel/Training'
import { LONGEST_LINK } from './question'
import type { Mode } from './question'
import { Searches } from './search/Searches'
import { answer, ask, busy, problem, question } from './store'
import { theme } from './theme'
import type { Theme } from './theme'
import { Choice, Segments } from './ui/Choice'
import { Copy } from './ui/Copy'
import { Menu } from './ui/Menu'
import { lang, LANGUAGES, persianDigits, side, speak, t } from './words'
import type { Lang } from './words'

export function App() {
  return (
    <>
      <a class="skip" href="#answer" onClick={skip}>{t('skip')}</a>
      <Top />
      <main>
        <form class="panel" aria-label={t('panel')} onSubmit={(event) => event.preventDefault()}>
          <Segments
            name="mode"
            label={t('mode')}
            value={question.value.mode}
            items={[{ value: 'serve', label: t('mode.serve') }, { value: 'train', label: t('mode.train') }]}
            onChange={(value) => ask({ mode: value as Mode })}
          />
          <Model />
          <Hardware />
          {question.value.mode === 'serve' ? <Serving /> : <Training />}
        </form>
        <Answer />
      </main>
    </>
  )
}

/** A fragment is the question here, so that the jump is made by hand. */
function skip(event: Event): void {
  event.preventDefault()
  document.getElementById('answer')?.focus()
}

function Top() {
  return (
    <header class="top">
      <h1><img src="./icon.svg" alt="" width="26" height="26" /> Weighbridge</h1>
      <p class="tagline">{t('tagline')}</p>
      <div class="top-tools">
        <Copy name="share" class="primary" label={t('share')} text={() => location.href} />
        <Menu name="export" label={t('export')} actions={actions()} />
        <Choice name="theme" label={t('theme')} hideLabel value={theme.value} items={(['system', 'light', 'dark'] as const).map((value) => ({ value, label: t(`theme.${value}`) }))} onChange={(value) => (theme.value = value as Theme)} />
        {lang.value === 'fa' && (
          <label class="toggle">
            <input type="checkbox" name="persian_digits" checked={persianDigits.value} onChange={(event) => (persianDigits.value = event.currentTarget.checked)} />
            <span>{t('digits')}</span>
          </label>
        )}
        <Choice name="lang" label={t('language')} hideLabel value={lang.value} items={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))} onChange={(value) => void speak(value as Lang)} />
      </div>
    </header>
  )
}

function Answer() {
  const made = answer.value
  const refused = problem.value
  const serving = question.value.mode === 'serve'
  return (
    <div class="answer" id="answer" tabIndex={-1} role="region" aria-label={t('answer')} aria-busy={busy.value}>
      {refused !== null && (
        <div class="refused" role="alert">
          <strong>{t(refused.status === 0 ? 'problem.away' : 'problem.title')}</strong>
          {refused.message !== '' && <p><bdi dir={side(refused.message)}>{refused.message}</bdi></p>}
        </div>
      )}
      {location.hash.length > LONGEST_LINK && <p class="quiet">{t('share.long')}</p>}
      <p class="unseen" role="status">{made === null || refused !== null ? '' : `${t(`verdict.${judge(made)}`)}. ${sentence(made)}`}</p>
      {made === null && refused === null && <p class="quiet waiting">{t('waiting')}</p>}
      {made !== null && (
        <>
          <section class={`card hero ${refused === null ? '' : 'stale'}`} data-part="ledger" aria-label={t('ledger.title')}>
            <Verdict made={made} />
            <Ledger made={made} />
          </section>
          <Try made={made} />
          <Searches />
          <div class="halves">
            {serving && <ContextPlot />}
            {serving && <Map />}
          </div>
          <div class="halves">
            <Speed />
            {serving && <Levers />}
          </div>
          <Launch />
          <Rules />
          <Compare />
          <Assumed made={made} />
          <footer class="foot"><bdi dir="ltr">weighbridge {made.version}</bdi> · {t('foot')}</footer>
        </>
      )}
    </div>
  )
}
