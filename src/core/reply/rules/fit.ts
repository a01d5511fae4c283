// Whether a row takes a reply. Called by decision.ts for every reply that is no acceptance, before the general rules.
// Rows are made ready once, when the module is loaded. It never decides what follows: the row's reason does.

import { type Fault, REASONS } from '../reasons.ts';
import type { Phase } from '../reply.ts';
import type { Status } from '../status.ts';
import { speaksForItself } from './own-status.ts';
import type { ReplyRow, Stage } from './row.ts';

/** What rules ask of a reply. */
export type Asked = {
  readonly phase: Phase;
  readonly code: number;
  /** With the class of the code; null where there is none. */
  readonly status: Status | null;
  /** Without the addresses that it quotes. */
  readonly text: string;
  /** The same, from `foldText`. */
  readonly folded: string;
};

export const PHASES_OF: Readonly<Record<Stage, readonly Phase[]>> = {
  connect: ['connect', 'greeting'],
  ehlo: ['ehlo'],
  starttls: ['starttls'],
  auth: ['auth'],
  mail: ['mail'],
  rcpt: ['rcpt'],
  data: ['data', 'content'],
  dot: ['final-dot'],
};
export const STAGES = Object.keys(PHASES_OF) as readonly Stage[];

/** Before MAIL no message was named, and before RCPT no recipient. */
const BY_FAULT: Readonly<Record<Fault, readonly Stage[]>> = {
  operator: STAGES,
  'next-hop': STAGES,
  ours: STAGES,
  sender: ['mail', 'rcpt', 'data', 'dot'],
  message: ['mail', 'rcpt', 'data', 'dot'],
  recipient: ['rcpt', 'data', 'dot'],
};

/** The stages at which a row takes replies. */
export function stagesOf(row: ReplyRow): readonly Stage[] {
  return row.stages ?? BY_FAULT[REASONS[row.reason].fault];
}

/** Text as rows are compared with it. */
export function foldText(text: string): string {
  return text.toLowerCase().replace(/\s+/g, ' ').replaceAll('’', "'");
}

export type ReadyRow = { readonly row: ReplyRow; readonly fits: (asked: Asked) => boolean };

export function ready(row: ReplyRow): ReadyRow {
  const phases = new Set(stagesOf(row).flatMap((stage) => PHASES_OF[stage]));
  const statuses = row.status === undefined ? null : list(row.status).map(detailRange);
  const klass = row.seen.charAt(0);
  const all = list(row.text);
  const none = list(row.not);
  return {
    row,
    fits({ phase, code, status, folded }) {
      if (!phases.has(phase)) return false;
      if (row.codes === undefined ? String(code).charAt(0) !== klass : !row.codes.includes(code)) return false;
      if (statuses === null ? speaksForItself(status) : !statuses.some((range) => isIn(range, status))) return false;
      return all.every((part) => folded.includes(part)) && !none.some((part) => folded.includes(part));
    },
  };
}

function list(given: string | readonly string[] | undefined): readonly string[] {
  return given === undefined ? [] : typeof given === 'string' ? [given] : given;
}

type DetailRange = { readonly subject: string; readonly from: number; readonly to: number };

/** `5.7.64` or `5.7.606-649`; throws for anything else, which is a mistake in a row. */
function detailRange(text: string): DetailRange {
  const [, subject, from, to] = /^([45]\.\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?$/.exec(text) ?? [];
  if (subject === undefined || from === undefined) throw new Error(`no status or range of one: ${text}`);
  return { subject, from: Number(from), to: Number(to ?? from) };
}

function isIn({ subject, from, to }: DetailRange, status: string | null): boolean {
  if (status === null) return false;
  const dot = status.lastIndexOf('.');
  const detail = Number(status.slice(dot + 1));
  return status.slice(0, dot) === subject && detail >= from && detail <= to;
}
