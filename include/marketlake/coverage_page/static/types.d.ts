// The JSON between page and server, and what the page's modules pass to each other. Times in `*_ms` are Unix ms, UTC;
// dates are `YYYY-MM-DD`; what is absent is null.

export type HeldState = "complete" | "suspect" | "provisional" | "empty";
export type SessionState = HeldState | "missing" | "failed" | "running";
export type DayState = SessionState | "closed";
export type MeasureName = "volume" | "bars" | "reconciled" | "revision" | "bytes";

export interface Subject {
  dataset: string;
  ticker: string;
  dag_id: string;
  audit_dag_id: string;
  title: string;
  held: boolean;
  configured: boolean;
}
export interface Subjects {
  subjects: Subject[];
  where: string;
  source: string;
}

export interface RunOfSession {
  state: "failed" | "running";
  run_id: string;
  /** Relative to Airflow's root. */
  path: string;
}
export interface Session {
  date: string;
  state: SessionState;
  early_close: boolean;
  rows: number | null;
  volume: number | null;
  /** A share, 0 to 1 or above; null if never compared. */
  reconciled: number | null;
  revision: number | null;
  bytes: number | null;
  reasons: string[];
  run: RunOfSession | null;
}
export interface ActionCosts {
  may_trigger: boolean;
  /** Null if that is not known before one was fetched; so are bytes and seconds. */
  requests_a_session: number | null;
  bytes_a_session: number | null;
  seconds_a_session: number | null;
  requests_per_minute: number | null;
  sessions_in_flight: number;
  /** A run refuses sessions before it. */
  first: string | null;
  /** A run refuses sessions after it. */
  last: string | null;
  /** What a session could take at most. */
  most_a_session: number | null;
  /** A run whose sessions could take more is refused; null: without that bound. */
  most_requests: number | null;
}
export interface Coverage {
  dataset: string;
  ticker: string;
  dag_id: string;
  title: string;
  first: string;
  last: string;
  summary: {
    expected: number;
    complete: number;
    bars: number;
    bytes: number;
    first_held: string | null;
    last_held: string | null;
  };
  sessions: Session[];
  holidays: { date: string; name: string }[];
  what_first: string | null;
  running: number;
  action: ActionCosts | null;
}

/** A day of the calendar: a session, a holiday (closed, with its name) or a weekend (closed). */
export interface CalendarDay {
  date: string;
  state: DayState;
  /** Monday 0 to Sunday 6. */
  weekday: number;
  session: Session | null;
  holiday: string | null;
}

export interface Check {
  name: string;
  ok: boolean;
  blocking: boolean;
  count: number;
  detail: string;
  says: string;
}
export interface Revision {
  revision: number;
  newest: boolean;
  published_at_ms: number | null;
  rows: number | null;
  state: string;
  changes: string | null;
}
export interface Hours {
  day_start_ms: number;
  day_end_ms: number;
  extended_start_ms: number;
  extended_end_ms: number;
  regular_start_ms: number;
  regular_end_ms: number;
}
export interface TaskOfDay {
  state: string | null;
  try_number: number;
  path: string;
  ended_at_ms: number | null;
}
export interface PagesOfDay {
  listing: string;
  pages: number;
  bytes: number;
  fetched_at_ms: number | null;
  revision: number | null;
  note: string;
}
/** One of the datasets that a session of options is made of. */
export interface DayPart {
  dataset: string;
  state: SessionState;
  readable: boolean;
  reasons: string[];
  words: string[];
  checks: Check[];
  compared: Day["compared"];
  revisions: Revision[];
  pages: PagesOfDay[];
  task: TaskOfDay | null;
}
export interface Day {
  dataset: string;
  ticker: string;
  date: string;
  title: string;
  state: SessionState;
  reasons: string[];
  early_close: boolean;
  previous: string | null;
  next: string | null;
  hours: Hours;
  bar_s: number;
  words: string[];
  checks: Check[];
  compared: { with: string; says: string[]; ok: boolean }[];
  missing_minutes_ms: number[];
  short_minutes: { start_ms: number; trades: number }[];
  revisions: Revision[];
  pages: PagesOfDay[];
  task: TaskOfDay | null;
  readable: boolean;
  /** Of options alone. */
  parts: DayPart[];
}

export interface Bars {
  width_s: number;
  start_ms: number;
  end_ms: number;
  times_ms: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
  vwap: (number | null)[];
  gaps: [number, number][];
}

/** The values of a row beside its key, by column. */
export type RowValues = Record<string, number | string | boolean | null>;
export interface Difference {
  old: number;
  new: number;
  added: number;
  removed: number;
  changed: number;
  says: string;
  rows: {
    time_ms: number | null;
    contract: string | null;
    change: string;
    old: RowValues | null;
    new: RowValues | null;
  }[];
  more: number;
}

/** What the address says. */
export interface Address {
  dataset: string | null;
  ticker: string | null;
  dag_id: string | null;
  date: string | null;
  /** Of the options of a day. */
  contract: string | null;
  by: MeasureName | null;
}
/** A day of what is shown, and a contract of it. */
export interface DayAsked {
  dataset: string;
  ticker: string;
  date: string;
  contract?: string | null;
}

/** A stretch of time on the chart. */
export interface Span {
  start_ms: number;
  end_ms: number;
}
