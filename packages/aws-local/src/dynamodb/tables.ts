// DynamoDB's tables: created from CloudFormation properties, described, and emptied of expired items on the virtual
// clock. Called by dynamodb.ts, and by deploy.ts for each table of a template. A property that is not emulated and
// would change behaviour is refused by name.

import { createHash } from 'node:crypto';
import { AwsError, type World } from '../world.ts';
import { type Attribute, act, type Index, indexEntry, indexesOf, type KeySchema, type Table } from './dynalite.ts';
import { type DynamoDbStore, expiryOf, type TableRecord } from './item-store.ts';

const SWEEP_MS = 3_600_000; // AWS deletes expired items within a few days; hourly is early enough to be seen in a test
const SWEEP_PAGE = 100; // deletions in one write

type IndexProperties = { IndexName: string; KeySchema: KeySchema; Projection: Index['Projection'] };
/** `AWS::DynamoDB::Table`, or `AWS::DynamoDB::GlobalTable` with one replica, after intrinsics are resolved. */
export type TableProperties = {
  readonly TableName: string;
  readonly KeySchema: KeySchema;
  readonly AttributeDefinitions: Table['AttributeDefinitions'];
  readonly BillingMode?: string;
  readonly GlobalSecondaryIndexes?: readonly IndexProperties[];
  readonly LocalSecondaryIndexes?: readonly IndexProperties[];
  readonly TimeToLiveSpecification?: { readonly AttributeName?: string; readonly Enabled: boolean };
};
const UNDERSTOOD = new Set(
  'TableName KeySchema AttributeDefinitions BillingMode GlobalSecondaryIndexes LocalSecondaryIndexes TimeToLiveSpecification'.split(
    ' ',
  ),
);
/** Of no effect here: cost, encryption at rest, backups, protection against deletion, labels. */
const WITHOUT_EFFECT = new Set(
  (
    'ProvisionedThroughput OnDemandThroughput WriteOnDemandThroughputSettings WriteProvisionedThroughputSettings WarmThroughput TableClass ' +
    'SSESpecification PointInTimeRecoverySpecification DeletionProtectionEnabled ContributorInsightsSpecification Tags Replicas'
  ).split(' '),
);

export type Tables = {
  /**
   * Makes the table, or brings an existing one to these properties: indexes are added (and filled) or dropped, the
   * expiry attribute is set. Throws AwsError where AWS would need a new table (other keys), or a property is not
   * emulated.
   */
  create(properties: TableProperties): Promise<{ readonly arn: string }>;
  /** Deletes the table and its items. */
  drop(name: string): Promise<void>;
  /** Names of the tables there are. */
  names(): readonly string[];
  record(name: string): TableRecord;
  setExpiry(name: string, attribute: string | null): Promise<void>;
  /** Deletes the items that have expired by the virtual clock; returns their number. */
  expire(): Promise<number>;
  stop(): void;
};

/** What an operation works on. */
export type Context = { readonly world: World; readonly store: DynamoDbStore; readonly tables: Tables };

export function openTables(world: World, store: DynamoDbStore): Tables {
  const arnOf = (name: string) => `arn:${world.partition}:dynamodb:${world.region}:${world.account}:table/${name}`;
  const record = (name: string): TableRecord => {
    const found = store.tables.get(name);
    if (found) return found;
    throw new AwsError('ResourceNotFoundException', 400, `Requested resource not found: Table: ${name} not found`);
  };

  async function create(properties: TableProperties): Promise<{ arn: string }> {
    for (const name of Object.keys(properties)) {
      if (!UNDERSTOOD.has(name) && !WITHOUT_EFFECT.has(name)) {
        throw new AwsError('NotImplemented', 501, `AWS::DynamoDB::Table property ${name} is not emulated`);
      }
    }
    const arn = arnOf(properties.TableName);
    const existing = store.tables.get(properties.TableName);
    const table = tableOf(properties, arn, existing?.table.CreationDateTime ?? world.clock.now() / 1000);
    if (existing && !sameKeys(existing.table, table)) {
      throw new AwsError(
        'ValidationException',
        400,
        `table ${properties.TableName} exists with other keys; a new data folder is needed`,
      );
    }
    await store.putTable({ table, expiresBy: existing?.expiresBy ?? null });
    if (existing) await changeIndexes(store, existing.table, table);
    const expiry = properties.TimeToLiveSpecification;
    const attribute = expiry?.Enabled ? (expiry.AttributeName ?? null) : null;
    if (attribute !== record(properties.TableName).expiresBy) await setExpiry(properties.TableName, attribute);
    return { arn };
  }

  async function setExpiry(name: string, attribute: string | null): Promise<void> {
    await store.putTable({ ...record(name), expiresBy: attribute });
    if (attribute === null) return;
    for await (const { key, item } of store.scan(name)) await store.change(() => store.noteExpiry(name, key, item));
  }

  async function expire(): Promise<number> {
    let deleted = 0;
    for (const { table, expiresBy } of store.tables.values()) {
      for (;;) {
        const second = Math.floor(world.clock.now() / 1000);
        const found = await store.expired(table.TableName, second, SWEEP_PAGE);
        await store.change(() => {
          for (const { entry, key } of found) {
            store.forget(entry);
            const item = store.item(table.TableName, key);
            const expiry = item ? expiryOf(item, expiresBy) : null;
            // the entry is older than the item's present expiry
            if (!item || expiry === null || expiry > second) continue;
            act('deleteItem', store.engine, { TableName: table.TableName, Key: keyOf(item, table) }, (error) => {
              if (error) throw error;
            });
            deleted += 1;
          }
        });
        if (found.length < SWEEP_PAGE) break;
      }
    }
    return deleted;
  }

  let cancel = world.clock.at(world.clock.now() + SWEEP_MS, sweep);
  function sweep(): void {
    const done = world.clock.busy('the expiry of DynamoDB items');
    expire()
      .catch((error: unknown) => world.log(`dynamodb: expiry failed: ${String(error)}`))
      .finally(done);
    cancel = world.clock.at(world.clock.now() + SWEEP_MS, sweep);
  }

  return {
    create,
    drop: (name) => store.dropTable(record(name).table.TableName),
    names: () => [...store.tables.keys()].sort(),
    record,
    setExpiry,
    expire,
    stop: () => cancel(),
  };
}

/** DescribeTable's answer. Sizes and counts are AWS's six-hourly estimates there; zero here. */
export function description(table: Table): Readonly<Record<string, unknown>> {
  return {
    ...table,
    ItemCount: 0,
    TableSizeBytes: 0,
    DeletionProtectionEnabled: false,
    ...described('GlobalSecondaryIndexes', table.GlobalSecondaryIndexes),
    ...described('LocalSecondaryIndexes', table.LocalSecondaryIndexes),
  };
}
const described = (name: string, indexes: readonly Index[] | undefined): Readonly<Record<string, unknown>> =>
  indexes ? { [name]: indexes.map((index) => ({ ...index, ItemCount: 0, IndexSizeBytes: 0 })) } : {};

export function keyOf(item: Readonly<Record<string, Attribute>>, table: Table): Record<string, Attribute> {
  return Object.fromEntries(table.KeySchema.map(({ AttributeName }) => [AttributeName, item[AttributeName] ?? {}]));
}

function tableOf(properties: TableProperties, arn: string, createdAt: number): Table {
  const indexOf = (index: IndexProperties, status: object): Index => ({
    IndexName: index.IndexName,
    KeySchema: index.KeySchema,
    Projection: index.Projection,
    IndexArn: `${arn}/index/${index.IndexName}`,
    ...status,
  });
  const id = createHash('md5').update(arn).digest('hex');
  const table: Table = {
    TableName: properties.TableName,
    TableArn: arn,
    TableId: id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    TableStatus: 'ACTIVE',
    CreationDateTime: createdAt,
    KeySchema: properties.KeySchema,
    AttributeDefinitions: properties.AttributeDefinitions,
    ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 0, NumberOfDecreasesToday: 0 },
    BillingModeSummary: { BillingMode: properties.BillingMode ?? 'PAY_PER_REQUEST' },
    ...(properties.GlobalSecondaryIndexes?.length
      ? {
          GlobalSecondaryIndexes: properties.GlobalSecondaryIndexes.map((index) =>
            indexOf(index, { IndexStatus: 'ACTIVE' }),
          ),
        }
      : {}),
    ...(properties.LocalSecondaryIndexes?.length
      ? { LocalSecondaryIndexes: properties.LocalSecondaryIndexes.map((index) => indexOf(index, {})) }
      : {}),
  };
  for (const { AttributeName } of [table.KeySchema, ...indexesOf(table).map(({ index }) => index.KeySchema)].flat()) {
    if (!table.AttributeDefinitions.some((definition) => definition.AttributeName === AttributeName)) {
      throw new AwsError(
        'ValidationException',
        400,
        `${table.TableName}: key attribute ${AttributeName} has no definition`,
      );
    }
  }
  return table;
}

function sameKeys(before: Table, after: Table): boolean {
  const types = ({ KeySchema: keys, AttributeDefinitions: definitions }: Table) =>
    JSON.stringify(
      keys.map(({ AttributeName: name, KeyType: kind }) => [
        name,
        kind,
        definitions.find((d) => d.AttributeName === name)?.AttributeType,
      ]),
    );
  return types(before) === types(after);
}

async function changeIndexes(store: DynamoDbStore, before: Table, after: Table): Promise<void> {
  const shape = ({ IndexName, KeySchema, Projection }: Index) => JSON.stringify([IndexName, KeySchema, Projection]);
  const old = indexesOf(before);
  const kept = new Set(old.map(({ index }) => shape(index)));
  const wanted = new Set(indexesOf(after).map(({ index }) => shape(index)));
  for (const { index } of old) if (!wanted.has(shape(index))) await store.dropIndex(before.TableName, index.IndexName);
  const added = indexesOf(after).filter(({ index }) => !kept.has(shape(index)));
  if (added.length === 0) return;
  for await (const { item } of store.scan(after.TableName)) {
    await store.change(() => {
      for (const { kind, index } of added) {
        const entry = indexEntry(item, after, index);
        if (entry)
          store.engine.getIndexDb(kind, after.TableName, index.IndexName).put(entry.key, entry.item, () => undefined);
      }
    });
  }
}

/** The key's values as one text, in which a fault's `match` is searched. */
export function keyText(item: unknown, table: Table | undefined): string {
  if (typeof item !== 'object' || item === null || !table) return '';
  return table.KeySchema.map(
    ({ AttributeName }) => Object.values((item as Record<string, Attribute>)[AttributeName] ?? {})[0] ?? '',
  ).join('/');
}
