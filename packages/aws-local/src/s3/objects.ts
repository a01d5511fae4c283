// The storage of S3: the versions of each key, and their bytes, in a file or beside the row in the store. Called by
// s3.ts. An object exists when its row is written, and the row is written after the file. Rows outlive the process, not
// a power cut: nothing is synced. It knows neither HTTP nor permissions.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Store } from '../store.ts';
import { AwsError, type World } from '../world.ts';
import type { ChecksumName } from './checksums.ts';
import { createKeyIndex, type KeyIndex } from './object-keys.ts';
import type { Measured, StagedBody } from './upload-body.ts';

export type ObjectVersion = {
  readonly bucketName: string;
  readonly key: string;
  /** 'null' in a bucket without versioning, as S3 has it. */
  readonly versionId: string;
  readonly modifiedAt: number;
} & (
  | { readonly kind: 'delete-marker' }
  | {
      readonly kind: 'object';
      /** Null where the store holds the bytes. */
      readonly file: string | null;
      readonly size: number;
      /** Hex, without quotes. */
      readonly etag: string;
      readonly checksum: { readonly name: ChecksumName; readonly value: string };
      /** Header fields to give back: content-type, x-amz-meta-* … */
      readonly fields: Readonly<Record<string, string>>;
    }
);
export type StoredObject = Extract<ObjectVersion, { readonly kind: 'object' }>;

export type Bucket = {
  readonly name: string;
  readonly versioned: boolean;
  /** The parsed policy document, or null. */
  readonly policy: unknown;
  /** Oldest first. A key without versions is not in the map. */
  readonly versions: Map<string, ObjectVersion[]>;
  readonly index: KeyIndex;
  /** Conditional writes in progress, told of a deletion that overtakes them. */
  readonly watches: Set<{ readonly key: string; overtaken: boolean }>;
};

export type WriteCondition =
  | { readonly kind: 'none' }
  | { readonly kind: 'if-none-match' }
  | { readonly kind: 'if-match'; readonly etag: string };
export type Deletion = { readonly deleteMarker: boolean; readonly versionId: string | null };
export type Objects = ReturnType<typeof createObjects>;

/** `entered` hears of each new object in the turn that makes it visible. */
export function createObjects(world: World, store: Store, entered: (object: StoredObject) => void = () => {}) {
  const folder = path.join(world.dataFolder, 's3', 'objects');
  const stagingFolder = path.join(world.dataFolder, 's3', 'staging');
  const rows = store.table<ObjectVersion>('s3_versions');
  const bodies = store.blobs('s3_bodies');
  const buckets = new Map<string, Bucket>();
  const remembered = Map.groupBy(
    [...rows.entries()].map(([, row]) => row),
    (row) => row.bucketName,
  );
  tidyFolders();

  return {
    /** On the same file system as the objects; emptied at every start. */
    stagingFolder,
    newStagingPath: () => path.join(stagingFolder, randomBytes(16).toString('hex')),
    createBucket,
    bucket,
    find: (name: string) => buckets.get(name),
    names: (): readonly string[] => [...buckets.keys()].sort(),
    current,
    version,
    watch,
    commit,
    write,
    remove,
    removeAll,
    bodyOf,
  };

  /** Creates the bucket, or opens it again with its content. */
  function createBucket(name: string, options: { readonly versioned: boolean; readonly policy: unknown }): Bucket {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
      throw new AwsError('InvalidBucketName', 400, `The specified bucket is not valid: ${name}`);
    }
    if (buckets.has(name)) throw new AwsError('BucketAlreadyOwnedByYou', 409, `The bucket ${name} exists already.`);
    const made: Bucket = { name, ...options, versions: new Map(), index: createKeyIndex(), watches: new Set() };
    for (const row of remembered.get(name) ?? []) append(made, row);
    remembered.delete(name);
    buckets.set(name, made);
    return made;
  }

  /** Throws NoSuchBucket. */
  function bucket(name: string): Bucket {
    const found = buckets.get(name);
    if (found === undefined) throw new AwsError('NoSuchBucket', 404, 'The specified bucket does not exist');
    return found;
  }

  function current(of: Bucket, key: string): ObjectVersion | undefined {
    return of.versions.get(key)?.at(-1);
  }

  function version(of: Bucket, key: string, versionId: string): ObjectVersion | undefined {
    return of.versions.get(key)?.find((one) => one.versionId === versionId);
  }

  /**
   * Begins a conditional write: throws at once where the condition already fails. Of several in progress the first to
   * finish wins and the others get 412; a deletion in between makes it 409 (S3 user guide, "Conditional writes").
   */
  function watch(
    of: Bucket,
    key: string,
    condition: WriteCondition,
  ): { readonly check: () => void; readonly end: () => void } {
    checkCondition(of, key, condition);
    const watched = { key, overtaken: false };
    of.watches.add(watched);
    return {
      check() {
        if (watched.overtaken && condition.kind !== 'none') {
          throw new AwsError(
            'ConditionalRequestConflict',
            409,
            'The conditional request cannot succeed due to a conflicting operation against this resource.',
          );
        }
        checkCondition(of, key, condition);
      },
      end: () => of.watches.delete(watched),
    };
  }

  function checkCondition(of: Bucket, key: string, condition: WriteCondition): void {
    if (condition.kind === 'none') return;
    const now = current(of, key);
    const there = now !== undefined && now.kind === 'object' ? now : null;
    if (condition.kind === 'if-none-match' && there === null) return;
    if (condition.kind === 'if-match' && there === null)
      throw new AwsError('NoSuchKey', 404, 'The specified key does not exist.');
    if (condition.kind === 'if-match' && there?.etag === condition.etag) return;
    const name = condition.kind === 'if-match' ? 'If-Match' : 'If-None-Match';
    throw new AwsError('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold', {
      Condition: name,
    });
  }

  /** Makes a staged body the current version. `check` is asked in the same turn that makes it visible. */
  async function commit(
    of: Bucket,
    key: string,
    staged: StagedBody,
    fields: Readonly<Record<string, string>>,
    check: () => void,
  ): Promise<StoredObject> {
    const file = randomBytes(16).toString('hex');
    await rename(staged.path, path.join(folder, file));
    try {
      check();
    } catch (error) {
      await rm(path.join(folder, file), { force: true });
      throw error;
    }
    const replaced = enter(of, key, file, staged, fields);
    await store.flushed();
    await unlink(replaced.before);
    return replaced.object;
  }

  /**
   * Makes bytes the current version, at once. It is committed with the other writes of this turn: a caller that
   * acknowledges it waits for the store.
   */
  function write(
    of: Bucket,
    key: string,
    bytes: Uint8Array,
    measured: Measured,
    fields: Readonly<Record<string, string>>,
  ): StoredObject {
    const { object, before } = enter(of, key, null, measured, fields);
    bodies.put(rowKey(object), bytes);
    if (before !== undefined) {
      store.flushed().then(
        () => unlink(before),
        () => {}, // then its file goes at the next start
      );
    }
    return object;
  }

  /** The bytes, or the path of their file. Throws ENOENT where they are gone already, as a file's opening would. */
  function bodyOf(object: StoredObject): Buffer | string {
    if (object.file !== null) return path.join(folder, object.file);
    const bytes = bodies.get(rowKey(object));
    if (bytes === undefined) throw Object.assign(new Error(`${object.key} is gone`), { code: 'ENOENT' });
    return bytes;
  }

  /** Returns the new version, and the one that it replaced. */
  function enter(
    of: Bucket,
    key: string,
    file: string | null,
    { size, etag, checksum }: Measured,
    fields: Readonly<Record<string, string>>,
  ): { readonly object: StoredObject; readonly before: ObjectVersion | undefined } {
    const object: StoredObject = {
      kind: 'object',
      bucketName: of.name,
      key,
      versionId: of.versioned ? newVersionId() : 'null',
      modifiedAt: world.clock.now(),
      file,
      size,
      etag,
      checksum,
      fields,
    };
    const before = add(of, object);
    entered(object);
    return { object, before };
  }

  /** DeleteObject: a marker where the bucket is versioned, the version itself where one is named. */
  async function remove(of: Bucket, key: string, versionId: string | null): Promise<Deletion> {
    for (const watched of of.watches) if (watched.key === key) watched.overtaken = true;
    if (versionId === null && of.versioned) {
      const marker: ObjectVersion = {
        kind: 'delete-marker',
        bucketName: of.name,
        key,
        versionId: newVersionId(),
        modifiedAt: world.clock.now(),
      };
      add(of, marker);
      await store.flushed();
      return { deleteMarker: true, versionId: marker.versionId };
    }
    const gone = version(of, key, versionId ?? 'null');
    if (gone !== undefined) {
      drop(of, gone);
      await store.flushed();
      await unlink(gone);
    }
    return { deleteMarker: gone?.kind === 'delete-marker', versionId };
  }

  /** The fault effect `remove`: every version vanishes, as if none had ever been stored. */
  async function removeAll(of: Bucket, key: string): Promise<void> {
    const gone = [...(of.versions.get(key) ?? [])];
    for (const one of gone) drop(of, one);
    await store.flushed();
    for (const one of gone) await unlink(one);
  }

  /** Returns the version that it replaced: only one 'null' version can be. */
  function add(of: Bucket, added: ObjectVersion): ObjectVersion | undefined {
    const replaced = version(of, added.key, added.versionId);
    if (replaced !== undefined) drop(of, replaced);
    append(of, added);
    rows.put(rowKey(added), added);
    return replaced;
  }

  function append(of: Bucket, added: ObjectVersion): void {
    const list = of.versions.get(added.key);
    if (list !== undefined) {
      list.push(added);
      return;
    }
    of.versions.set(added.key, [added]);
    of.index.add(added.key);
  }

  function drop(of: Bucket, gone: ObjectVersion): void {
    const left = (of.versions.get(gone.key) ?? []).filter((one) => one !== gone);
    if (left.length > 0) of.versions.set(gone.key, left);
    else if (of.versions.delete(gone.key)) of.index.delete(gone.key);
    rows.delete(rowKey(gone));
    if (gone.kind === 'object' && gone.file === null) bodies.delete(rowKey(gone));
  }

  async function unlink(gone: ObjectVersion | undefined): Promise<void> {
    if (gone?.kind === 'object' && gone.file !== null) await rm(path.join(folder, gone.file), { force: true });
  }

  /**
   * Removes the remains of a killed process: unfinished bodies, and files whose row was not written or was already
   * deleted.
   */
  function tidyFolders(): void {
    rmSync(stagingFolder, { recursive: true, force: true });
    mkdirSync(stagingFolder, { recursive: true });
    mkdirSync(folder, { recursive: true });
    const known = new Set(
      [...remembered.values()].flat().flatMap((row) => (row.kind === 'object' && row.file !== null ? [row.file] : [])),
    );
    for (const file of readdirSync(folder)) if (!known.has(file)) rmSync(path.join(folder, file), { force: true });
  }
}

function rowKey(of: ObjectVersion): string {
  return `${of.bucketName}/${of.key}/${of.versionId}`;
}

function newVersionId(): string {
  return randomBytes(24).toString('base64url');
}
