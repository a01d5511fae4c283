// Asks before a deploy whether it changes more indexes of the ledger's table than one update takes. Called by the
// deploy. DynamoDB creates or deletes one index in an update, and CloudFormation sends one update for the table: a
// deploy that changes two fails (docs/aws-contracts.md §5). It changes nothing.

import { asking, type Check, type Finding, ok, unknown, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** `wanted`: the indexes of the template's table, each as `indexShape` has it. */
export function indexChecks(place: Place, wanted: readonly IndexWords[]): readonly Check[] {
  const run = (signal: AbortSignal) => indexes(place, wanted, signal);
  return [{ name: 'indexes', area: 'account', beforeDeploy: true, run }];
}

export type IndexWords = {
  readonly IndexName?: string | undefined;
  readonly KeySchema?:
    | readonly { readonly AttributeName?: string | undefined; readonly KeyType?: string | undefined }[]
    | undefined;
  readonly Projection?:
    | { readonly ProjectionType?: string | undefined; readonly NonKeyAttributes?: readonly string[] | undefined }
    | undefined;
};

async function indexes(place: Place, wanted: readonly IndexWords[], signal: AbortSignal): Promise<readonly Finding[]> {
  const table = (await place.stack())?.outputs.Table;
  if (table === undefined) return [ok('there is no table yet')];
  const standing = await asking(`dynamodb:DescribeTable on ${table}`, () => place.reader.indexesOf(table, signal));
  const [before, after] = [standing, wanted].map((all) => new Set(all.map(indexShape)));
  if (before === undefined || after === undefined) return [unknown('no indexes were read', 'ask again')];
  const added = [...after].filter((shape) => !before.has(shape));
  const removed = [...before].filter((shape) => !after.has(shape));
  const names = [...added, ...removed].map((shape) => shape.split(' ')[0]);
  if (names.length <= 1) return [ok(names.length === 0 ? 'no index changes' : `one index changes: ${names[0]}`)];
  return [
    wrong(
      `${names.length} indexes of ${table} would change (${names.join(', ')}); DynamoDB takes one in a deploy`,
      'leave `trace.search` as it is deployed; its change needs a deploy for each index (SEARCH_INDEXES in infra/ledger.ts)',
    ),
  ];
}

/** Keys and projection cannot be changed: an index with others is another one. The attributes' order says nothing. */
function indexShape({ IndexName = '', KeySchema = [], Projection = {} }: IndexWords): string {
  const keys = KeySchema.map(({ AttributeName, KeyType }) => `${KeyType}:${AttributeName}`);
  const more = [...(Projection.NonKeyAttributes ?? [])].sort();
  return [IndexName, ...keys, Projection.ProjectionType ?? '', ...more].join(' ');
}
