/** The shapes of the API's answers that the page reads: those of `weigh … --json`. */

export type Value = string | number | boolean
export type Options = Record<string, Value>

export interface Term {
  name: string
  phase: string
  bytes: number
  low: number
  high: number
  basis: string
  formula: string
  inputs: Record<string, Value | null>
  source: string
}

export interface Phase {
  total_bytes: number
  low: number
  high: number
  terms: Term[]
}

export interface Device {
  name: string
  index: number
  capacity_bytes: number | null
  usable_bytes: number | null
  phase: string
  terms: Term[]
  total_bytes: number
  low: number
  high: number
  fits: boolean | null
  phases: Record<string, Phase>
}

export interface Remedy {
  option: string
  value: string
  total_bytes: number
  why: string
}

export interface Verdict {
  fits: boolean | null
  sure: boolean
  because: string
  try: Remedy[]
}

export interface ModelFacts {
  id: string
  family: string
  architecture: string
  parameters: number
  active_parameters: number
  layers: number
  max_positions: number | null
  basis: string
  source: string
  answers: Record<string, string>
}

/** What every answer has: a ledger for each device, and a verdict. */
export interface Weighing {
  schema: number
  version: string
  model: ModelFacts
  request: Record<string, unknown> & { assumptions: string[] }
  devices: Device[]
  host: Device | null
  total_bytes: number
  low: number
  high: number
  verdict: Verdict
}

export interface Pass {
  kind: 'floor' | 'model'
  seconds: number
  split?: Record<string, number>
  arithmetic_seconds: number
  bound_by: string
  memory_wait_fraction: number
  arithmetic_intensity?: number
  ridge_point?: number
  tokens_per_second?: number
  tokens_per_second_per_user?: number
  seconds_per_token?: number
  low?: number
  high?: number
  tokens?: number
  sequences?: number
  time_to_first_token?: { seconds: number; low: number; high: number; alone: number }
}

export interface Plan extends Weighing {
  kv: {
    dtype: string
    bytes_per_token: number
    bytes_per_sequence: number
    state_bytes_per_sequence: number
    capacity_tokens: number | null
    max_concurrency: number | null
  }
  speed: { prefill: Pass | null; decode: Pass | null } | null
  engine: { name: string; version: string; log: string[] }
}

export interface Part {
  name: string
  seconds: number
  formula: string
}

export interface TrainingPlan extends Weighing {
  trained_parameters: number
  tokens_per_step: number
  speed: {
    seconds_per_step: number
    low: number
    high: number
    tokens_per_second: number
    mfu: number
    parts: Part[]
  } | null
}

/** What contexts × users need on the fullest device, and which of them run at once. */
export interface Room {
  contexts: number[]
  concurrencies: number[]
  need_bytes: number[][]
  holds: boolean[][] | null
  usable_bytes: number | null
}

export interface Reach {
  option: string
  value: number
  binding: string
  total_bytes: number | null
}

export interface Fit {
  longest_context: Reach
  most_users: Reach
  best_format: string | null
  levers: { changes: Options; why: string; option: string; before: number; after: number }[]
}

export interface Rule {
  id: string
  title: string
  formula: string
  inputs: Record<string, Value | null>
  applies: boolean
  why_not: string
  bytes: number | null
  ours: { what: string; terms: string[]; bytes: number } | null
  error: number | null
  source: string
  near: string
  fails: string
  here: string[]
}

export interface WhatIf {
  lever: string
  value: string
  memory: number
  first: number
  token: number
  tokens_per_second: number
  assumes: string
  limit: string
}

export interface CatalogueModel {
  id: string
  names: string[]
  type: string
  parameters: number
  active_parameters: number
  layers: number
  max_positions: number | null
}

export interface Card {
  id: string
  name: string
  vendor: string
  kind: string
  architecture: string | null
  usable_bytes: number
  marketed_memory: number
  bandwidth: number | null
  dense_flops: Record<string, number>
  aliases: string[]
  common: string[]
}

export interface Option {
  name: string
  help: string
  kind: 'text' | 'count' | 'size' | 'number' | 'flag'
  choices: string[]
  auto: boolean
  own: boolean
}

export interface OptionTables {
  engines: string[]
  plan: Record<string, Option[]>
  workload: Option[]
  training: { title: string; options: Option[] }[]
  targets: { plan: string[]; train: string[] }
  formats: { weights: { name: string }[]; kv_cache: { name: string }[] }
}
