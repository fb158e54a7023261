/** The terms of a device as a table; each opens to its formula, its inputs and its source. */

import { useSignal } from '@preact/signals'
import { Fragment } from 'preact'
import { colourClass, inOrder, LADDER, putIn } from '../terms'
import type { Device, Phase, Term } from '../types'
import { exact, gib, size } from '../units'
import { has, named, number, percent, t } from '../words'

export function Terms({ device, held }: { device: Device; held: Phase }) {
  const open = useSignal<Set<string>>(new Set())
  const flip = (key: string): void => {
    const next = new Set(open.value)
    if (!next.delete(key)) next.add(key)
    open.value = next
  }
  const whole = device.usable_bytes
  return (
    <table class="terms">
      <caption class="unseen">{t('terms.caption', { card: device.name })}</caption>
      <thead>
        <tr>
          <th scope="col">{t('terms.term')}</th>
          <th scope="col" class="wide">{t('terms.held')}</th>
          <th scope="col" class="num">GiB</th>
          <th scope="col" class="num wide">{t('terms.range')}</th>
          {whole !== null && <th scope="col" class="num">{t('terms.share')}</th>}
          <th scope="col" class="wide">{t('terms.basis')}</th>
        </tr>
      </thead>
      <tbody>
        {inOrder(held.terms).map((term, at) => {
          const key = `${term.name}-${at}`
          const shown = open.value.has(key)
          return (
            <Fragment key={key}>
              <tr class={shown ? 'open' : ''} data-term={term.name}>
                <th scope="row">
                  <button type="button" name={`why_${term.name}`} aria-expanded={shown} onClick={() => flip(key)}>
                    <span class={`swatch ${colourClass(term.name)}`} aria-hidden="true" />
                    <span class="name">{named('term', term.name)}</span>
                    <span class="why-word">{t('terms.why')}</span>
                  </button>
                </th>
                <td class="wide quiet">{named('phase', term.phase)}</td>
                <td class="num"><bdi title={exact(term.bytes)}>{gib(term.bytes)}</bdi></td>
                <td class="num wide quiet"><bdi>{bounds(term)}</bdi></td>
                {whole !== null && <td class="num quiet"><bdi>{percent(term.bytes / whole)}</bdi></td>}
                <td class="wide"><Basis basis={term.basis} /></td>
              </tr>
              {shown && (
                <tr class="why">
                  <td colSpan={whole === null ? 5 : 6}><Why term={term} /></td>
                </tr>
              )}
            </Fragment>
          )
        })}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{t('terms.total')}</th>
          <td class="wide" />
          <td class="num"><bdi>{gib(held.total_bytes)}</bdi></td>
          <td class="num wide"><bdi>{`${gib(held.low)}–${gib(held.high)}`}</bdi></td>
          {whole !== null && <td class="num"><bdi>{percent(held.total_bytes / whole)}</bdi></td>}
          <td class="wide" />
        </tr>
        {whole !== null && (
          <tr class="free">
            <th scope="row">{t(held.total_bytes <= whole ? 'terms.free' : 'terms.missing')}</th>
            <td class="wide" />
            <td class="num"><bdi>{gib(Math.abs(whole - held.total_bytes))}</bdi></td>
            <td class="wide" />
            <td class="num quiet"><bdi>{percent(Math.abs(whole - held.total_bytes) / whole)}</bdi></td>
            <td class="wide" />
          </tr>
        )}
      </tfoot>
    </table>
  )
}

function bounds(term: Term): string {
  if (term.low === term.high) return ''
  return `${gib(term.low)}–${gib(term.high)}`
}

/** A rung of the ladder of evidence: how high it stands, and its name. */
function Basis({ basis }: { basis: string }) {
  const rung = LADDER.indexOf(basis)
  return (
    <span class="basis" title={t('basis.title', { rung: rung + 1, of: LADDER.length })}>
      <span class="rungs" aria-hidden="true">{LADDER.map((each, at) => <i key={each} class={at <= rung ? 'on' : ''} />)}</span>
      {named('basis', basis)}
    </span>
  )
}

function Why({ term }: { term: Term }) {
  const filled = putIn(term.formula, term.inputs, number)
  const inputs = Object.entries(term.inputs)
  return (
    <dl class="facts">
      {has(`what.${term.name}`) && <Fact name={t('why.what')}>{t(`what.${term.name}`)}</Fact>}
      <Fact name={t('why.formula')}><Mono text={term.formula} /></Fact>
      {filled !== term.formula && <Fact name={t('why.with')}><Mono text={`${filled} → ${size(term.bytes)}`} /></Fact>}
      {inputs.length > 0 && (
        <Fact name={t('why.inputs')}>
          <span class="inputs" dir="ltr">
            {inputs.map(([name, value]) => (
              <span key={name} class="input"><span lang="en">{name}</span> = <b>{typeof value === 'number' ? number(value, { maximumFractionDigits: 6 }) : String(value)}</b></span>
            ))}
          </span>
        </Fact>
      )}
      <Fact name={t('why.result')}><bdi>{`${size(term.bytes)} = ${exact(term.bytes)}`}</bdi></Fact>
      <Fact name={t('why.bounds')}>{term.low === term.high ? t('why.exact') : <bdi>{`${size(term.low)} – ${size(term.high)}`}</bdi>}</Fact>
      <Fact name={t('why.basis')}>{named('basis', term.basis)}</Fact>
      <Fact name={t('why.source')}><bdi lang="en" dir="ltr">{term.source}</bdi></Fact>
    </dl>
  )
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>
}

function Mono({ text }: { text: string }) {
  return <code class="formula" dir="ltr" lang="en">{text}</code>
}
