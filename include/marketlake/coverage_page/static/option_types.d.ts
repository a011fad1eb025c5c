// The JSON of options, and what their modules pass to each other; as in `types.d.ts`.

import type { Bars } from "./types";

export type ContractType = "call" | "put";
export type ContractState = "bars" | "empty" | "not_selected" | "unknown";

/** What is the same of many contracts. */
export interface ContractKind {
  state: ContractState;
  /** `selected`, or why not. */
  reason: string;
  evidence: string | null;
  standard: boolean;
  /** On the session before; null if that is not known. */
  listed_before: boolean | null;
  contracts: number;
}
/** The contracts of one root, expiry and type, ascending by strike. */
export interface ChainRow {
  root: string;
  expiration: string;
  days: number;
  type: ContractType;
  strikes: number[];
  bars: number[];
  /** Places in `kinds`. */
  kinds: number[];
}
export interface Chain {
  dataset: string;
  ticker: string;
  date: string;
  reference_usd: number | null;
  reference_source: string;
  /** Why states are not known; empty if they are. */
  because: string;
  contracts: number;
  /** How many contracts are left out. */
  more: number;
  kinds: ContractKind[];
  rows: ChainRow[];
}

/** One contract of the chain. */
export interface Contract {
  name: string;
  type: ContractType;
  strike: number;
  column: Column;
  bars: number;
  kind: ContractKind;
}
/** One expiry of one root: a column of the map. */
export interface Column {
  root: string;
  expiration: string;
  days: number;
}
/** A place in the map: from the highest strike down, from the first expiry on. */
export interface Place {
  row: number;
  column: number;
}

export interface Volatility {
  times_ms: number[];
  iv: (number | null)[];
  delta: (number | null)[];
}
/** A contract on a session. What is null is not held, for the reason beside it. */
export interface ContractOfDay {
  contract: string;
  underlying: string;
  date: string;
  expiration: string;
  days: number;
  type: ContractType;
  strike: number;
  standard: boolean;
  state: ContractState;
  words: string[];
  start_ms: number;
  end_ms: number;
  bars: Bars | null;
  bars_absent: string;
  underlying_dataset: string;
  underlying_bars: Bars | null;
  underlying_absent: string;
  volatility: Volatility | null;
  volatility_absent: string;
}
