// Mail that is written to be slow, beside ordinary mail in the same batch: it has its outcome in the ledger, and its
// neighbours are relayed.

import { expect, it } from 'vitest';
import { ANN, BOB, forwarded, requireQuiet, row } from './returning.ts';

const NOTICES_FROM = 'postmaster@example.com';
/** Below what any stage has until its deadline. */
const CPU_MS_MAX = 20_000;
const ORDINARY = `From: ${ANN}\r\nTo: ${BOB}\r\nSubject: lunch\r\n\r\nAt noon.\r\n`;

it.each([
  ['800 KB of empty lines', `From: x@far.example\r\n\r\n${'\r\n'.repeat(400_000)}`],
  ['a subject of CRs', `From: x@far.example\r\nSubject: ${'\r'.repeat(500_000)}x\r\n\r\nx\r\n`],
  ['a From field of 500 KB', `From: ${'a@b.example,'.repeat(40_000)}\r\n\r\nx\r\n`],
])('%s to the address of our notices', async (_, slow) => {
  const pipeline = await forwarded('token');
  const before = process.cpuUsage();
  pipeline.receive('n1', ANN, [BOB], ORDINARY);
  pipeline.receive('slow', '', [NOTICES_FROM], slow);
  pipeline.receive('n2', ANN, [BOB], ORDINARY);
  await pipeline.live(1);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(CPU_MS_MAX);
  expect(row(pipeline, 'n1')?.state).toBe('relayed');
  expect(row(pipeline, 'n2')?.state).toBe('relayed');
  expect(['relayed', 'discarded']).toContain(row(pipeline, 'slow')?.state);
  requireQuiet(pipeline);
});
