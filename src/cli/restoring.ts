// `everpost restore`: puts rows back into the ledger from a table to which DynamoDB restored it
// (docs/runbook/restore.md). It writes rows by pipeline/operate/restore.ts. It restores no table itself, removes no
// row, and touches no content.

import { DynamoRestored } from '#adapters/aws/dynamo-restored.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import { beginRestore, endRestore, type RestoreReport, restore as restoreRows } from '#pipeline/operate/restore.ts';
import { exitCodes, NotReachable, short, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance, versionsFor } from './find-instance.ts';
import { portsOf } from './operate.ts';
import { momentOf } from './resubmit.ts';
import { flag, instanceOptions, text, type ValuesOf, verb } from './verb.ts';

const options = {
  begin: flag('before the table is restored: mail whose rows are lost is marked from now on, should it come again'),
  from: text('TABLE', 'put the rows of this table back, and end the restore; its name is the ledger’s and -restored'),
  instant: text('TIME', 'with --from: to which TABLE was restored, such as 2026-01-31T10:00:00Z, or 1h before now'),
  replace: flag('with --from: rows that stand too, where they were under way, held, or owed a notice at that time'),
  end: flag('end what --begin began, where nothing is to be put back'),
};
const common = { ...instanceOptions, json: flag('the result as JSON') };
type Values = ValuesOf<typeof options & typeof common>;

const NEVER = new AbortController().signal;

export const restore = verb({
  usage: 'restore --begin | --from TABLE --instant TIME | --end [options]',
  about: 'puts rows back into the ledger',
  sections: [options, common],
  async run(values) {
    const asked = [values.begin, values.from, values.end].filter((each) => each !== undefined);
    if (asked.length !== 1) throw new Usage('say which: --begin, --from TABLE or --end');
    if (values.from === undefined && (values.instant !== undefined || values.replace === true))
      throw new Usage('--instant and --replace belong to --from');
    if (values.from !== undefined && values.instant === undefined)
      throw new Usage('--instant is missing: it says to which time the table was restored');
    const instant = momentOf('--instant', values.instant ?? '1s');
    const instance = await findInstance(values);
    const ports = await portsOf(instance);
    const reached = <T>(work: Promise<T>) =>
      work.catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        throw new NotReachable(`the restore did not end (${why}): give the same command again`);
      });
    if (values.begin === true) {
      const { begun } = await reached(beginRestore(ports, null));
      return tell(values, { state: 'begun', begun: iso(begun) }, [`the restore has begun at ${iso(begun)}`]);
    }
    if (values.end === true) {
      const ended = await reached(endRestore(ports));
      return tell(values, { state: 'ended', changed: ended }, [ended ? 'the restore is over' : 'none is under way']);
    }
    const since = instant(ports.clock.now());
    mustBeBeside(values.from ?? '', instance.table);
    const report = await reached(putBack(instance, values, { ...ports, since }));
    return tell(values, { state: 'ended', since: iso(since), ...inJson(report) }, linesOf(report, since));
  },
});

/** As the policy for operators allows it. */
function mustBeBeside(from: string, table: string): void {
  if (!from.startsWith(`${table}-restored`))
    throw new Usage(`--from takes a table whose name begins with ${table}-restored, not "${short(from)}"`);
}

type Ports = Awaited<ReturnType<typeof portsOf>> & { readonly since: number };

function putBack(instance: Instance, { from = '', replace }: Values, ports: Ports): Promise<RestoreReport> {
  const tables = { restored: from, ledger: instance.table };
  const restored = new DynamoRestored(dynamoFor(instance), tables, ports.clock);
  const terms = { since: ports.since, replace: replace === true };
  return restoreRows({ ...ports, restored, versions: versionsFor(instance) }, terms, NEVER);
}

const iso = (instant: number) => new Date(instant).toISOString();
const named = ({ spoolId, forwardPath }: DeliveryRow) => ({ spoolId, forwardPath });

function inJson(report: RestoreReport) {
  return { ...report, purged: report.purged.map(named), hidden: report.hidden.map(named) };
}

function linesOf({ rows, missing, replaced, purged, hidden }: RestoreReport, since: number): readonly string[] {
  const lines = [
    `${rows} deliveries and notices as of ${iso(since)}`,
    `${missing} were missing and are put back; ${replaced} stood and are put back; each is marked as a possible duplicate`,
  ];
  const ended = 'its content was removed since: it had come to its end, and is removed';
  const waits =
    'its content lies under a delete marker, and goes out from there as long as retention.versions keeps it';
  for (const row of purged) lines.push(`${row.spoolId}  <${row.forwardPath}>  ${ended}`);
  for (const row of hidden) lines.push(`${row.spoolId}  <${row.forwardPath}>  ${waits}`);
  return lines;
}

function tell({ json }: Values, result: object, lines: readonly string[]): number {
  if (json === true) process.stdout.write(`${printableJson(JSON.stringify(result, null, 1))}\n`);
  else for (const line of lines) process.stdout.write(`${printable(line)}\n`);
  return exitCodes.done;
}
