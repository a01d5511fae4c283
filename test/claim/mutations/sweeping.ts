// Mutations of pipeline/sweep/: what waits, what is lost, the levels and the digest of what waits. See run.ts.
// table.ts joins them with those of the other folders.

import type { Mutation } from './mutation.ts';

export const sweepMutations: readonly Mutation[] = [
  {
    name: 'sweep/expiries-counted-by-the-instant',
    file: 'src/pipeline/sweep/sweep.ts',
    text: 'countExpiry(now - (now % ports.hourMs), suspect)',
    replacement: 'countExpiry(now, suspect)',
    test: {
      file: 'test/unit/pipeline/sweep/sweep.test.ts',
      name: 'the expiry limit > counts the hour, however many sweeps it has: the hundred and first is held',
    },
  },
  {
    name: 'sweep/job-before-row',
    file: 'src/pipeline/sweep/sweep.ts',
    text: "    case 'relay':\n      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;",
    replacement:
      "    case 'relay':\n      if ((await ports.relayQueue.send([workOf(row)])) === undefined && (await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;",
    test: {
      file: 'test/unit/pipeline/sweep/sweep.test.ts',
      name: 'a row is written before its job is sent > deferred and due',
    },
  },
  {
    name: 'sweep/lost-jobs-not-counted',
    file: 'src/pipeline/sweep/sweep.ts',
    text: "  ports.watch.count('LostJob', total.lost);\n",
    replacement: '',
    test: {
      file: 'test/unit/pipeline/sweep/sweep.test.ts',
      name: 'a run > counts itself, and lost jobs where there were none',
    },
  },
  {
    name: 'sweep/waiting-rows-are-read',
    file: 'src/pipeline/sweep/choice.ts',
    text: "    return kept ? 'kept' : 'waits';\n",
    replacement: "    return 'look';\n",
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'behind an open next hop > 10,000 waiting rows cost one read of the index, and no other call',
    },
  },
  {
    name: 'sweep/a-long-pause-hides-mail-that-goes-out',
    file: 'src/pipeline/sweep/choice.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the source
    text: '(row) => `${kind(row)} ${row.nextHop}`',
    replacement: '(row) => row.nextHop',
    test: {
      file: 'test/unit/pipeline/sweep/levels.test.ts',
      name: 'a sweep finds the rows of the other direction, and notices, behind more paused rows than it reads',
    },
  },
  {
    name: 'levels/mail-behind-an-open-next-hop-is-not-counted',
    file: 'src/pipeline/sweep/levels.ts',
    text: 'healths.values().some(isSick)',
    replacement: 'healths.values().some(() => false)',
    test: {
      file: 'test/unit/pipeline/sweep/levels.test.ts',
      name: 'the levels > count mail that was never attempted behind an open next hop from when it waits',
    },
  },
  {
    name: 'digest/silent-about-what-is-held',
    file: 'src/pipeline/purge/digest-notice.ts',
    text: 'quarantine.inPeriod > 0 || isWorthTelling(waits, heldDigests, now)',
    replacement: 'quarantine.inPeriod > 0',
    test: {
      file: 'test/simulation/waiting-digest.test.ts',
      name: 'the digest of what waits > comes each day while something waits, and not for a digest that is held itself',
    },
  },
  {
    name: 'digest/kept-mail-counts-as-waiting-by-fault',
    file: 'src/core/delivery/waiting-sums.ts',
    text: '  if (isKept(entry, pauses)) return false;\n',
    replacement: '',
    test: {
      file: 'test/simulation/waiting-digest.test.ts',
      name: 'the digest of what waits > is this mail, byte for byte',
    },
  },
  {
    name: 'levels/one-pass-for-held-rows-of-before',
    file: 'src/pipeline/sweep/held-walk.ts',
    text: 'if (walk.at !== null || now < walk.begunAt + pauseMs)',
    replacement: 'if (walk.at !== null || walk.passes > 0 || now < walk.begunAt + pauseMs)',
    test: {
      file: 'test/unit/pipeline/sweep/levels.test.ts',
      name: 'held rows that the index does not have > are counted where a function of the version before wrote them behind the first pass',
    },
  },
  {
    name: 'sweep/a-lost-probe-is-looked-for-as-long-as-it-may-last',
    file: 'src/core/delivery/waiting.ts',
    text: ' && now < probe.until - sweepAgainMs + awaitedMs;',
    replacement: ';',
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'behind an open next hop > an attempt that was lost is sent again when its time is over; its answer is looked for at first',
    },
  },
  {
    name: 'sweep/lost-content-behind-an-open-next-hop-never-ends',
    file: 'src/core/delivery/sweep-decision.ts',
    text: 'if (down === null && !isTried)',
    replacement: 'if (down === null && (!isTried || true))',
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'a server that is dead for 51 hours > a message whose content is lost comes to its end all the same: its attempts show nothing of the next hop',
    },
  },
  {
    name: 'sweep/probes-side-by-side',
    file: 'src/core/delivery/waiting.ts',
    text: '(probe !== null && probe.until > now)',
    replacement: '(probe !== null && probe.until > now && now < 0)',
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'behind an open next hop > at its instant one attempt goes out, each time with another message, longest due first',
    },
  },
  {
    name: 'sweep/recovered-next-hop-gets-jobs-too-soon',
    file: 'src/core/delivery/waiting.ts',
    text: "if (resumedAt !== null && now < resumedAt) return 'settling';",
    replacement: "if (resumedAt !== null && now < 0) return 'settling';",
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'a next hop that takes mail again > gets what waited oldest first, from when every function knows it, and nothing counts as lost',
    },
  },
  {
    name: 'sweep/what-stands-in-line-counts-as-lost',
    file: 'src/core/delivery/sweep-decision.ts',
    text: 'pause.resumedAt ?? 0, hop.lineEndsAt)',
    replacement: 'pause.resumedAt ?? 0)',
    test: {
      file: 'test/unit/core/delivery/sweep-decision.test.ts',
      name: 'a job at a next hop with limits > that was sent before the end of its line is not lost; one that was sent later is',
    },
  },
  {
    name: 'sweep/given-back-counts-as-lost',
    file: 'src/core/delivery/sweep-decision.ts',
    text: 'unclaimed && !mayBeGivenBack(row, terms)',
    replacement: 'unclaimed',
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'a next hop that takes mail again > gets what waited oldest first, from when every function knows it, and nothing counts as lost',
    },
  },
  {
    name: 'sweep/expiry-hides-the-next-hop',
    file: 'src/core/delivery/expiry.ts',
    text: 'down === null ? given : quoting(given, down)',
    replacement: 'given',
    test: {
      file: 'test/simulation/open-next-hop.test.ts',
      name: 'a server that is dead for 51 hours > each sender hears of the delay once, and then gets an NDR with the last failure and its instant',
    },
  },
  {
    name: 'sweep/job-does-not-know-its-claims',
    file: 'src/pipeline/jobs.ts',
    text: '{ job: row.claims > 0 ? { ...job, claims: row.claims } : job, group }',
    replacement: '{ job, group }',
    test: {
      file: 'test/unit/pipeline/sweep/sweep.test.ts',
      name: 'a run > finds a job that was lost, counts it, and tells the job how often its row was claimed',
    },
  },
  {
    name: 'sweep/a-part-of-the-index-taken-for-all',
    file: 'src/adapters/aws/due-index.ts',
    text: 'if (page.LastEvaluatedKey === undefined)',
    replacement: 'if (page.Items !== undefined)',
    test: {
      file: 'test/contract/waiting.test.ts',
      name: 'what is due and what waits is found whole: by one read where the index is short, else by its shards',
    },
  },
];
