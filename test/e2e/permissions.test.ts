// Least privilege from both sides, by the template alone: a standard errand meets no denial and needs every permission
// that is given; and whichever single one is taken away, what is missing is named. Nothing here knows which permissions
// there are.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Template } from '#aws-local/cloudformation/template.ts';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { type Part, runPart, stacks } from './errand.ts';
import { errandConfig, errandIdentities, errandNextHop, errandSecrets, forget } from './errand-setting.ts';
import { type Grant, holderOf, isUse, lackIn, lacks, takenApart, without, withoutEffectHere } from './grants.ts';
import { disagreements, hearing } from './second-opinion.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-permissions-'));
const synthesised = join(folder, 'cdk.out');
const nextHop = await errandNextHop();
const settings = checked(errandConfig(nextHop));
await synthesise({ settings, outdir: synthesised, validate: false });
const templateFile = readdirSync(synthesised).find((name) => name.endsWith('.template.json')) ?? '';
const { template, grants } = takenApart(JSON.parse(readFileSync(join(synthesised, templateFile), 'utf8')) as Template);
const effective = grants.filter((grant) => withoutEffectHere(grant, errandIdentities) === null);
writeFileSync(join(folder, 'secrets.json'), JSON.stringify(errandSecrets));

/** The part of the errand in which each grant was first needed, found by the run with all of them. */
const neededIn = new Map<Grant, Part>();
/** Parts that ended well in the run with all grants. */
const ended = new Set<Part>();
const all = stacks.flatMap(({ parts }) => parts);
/** Every decision of the run with all of them. */
const heard = hearing();

afterAll(async () => {
  await nextHop.close();
  rmSync(folder, { recursive: true, force: true });
});

function checked(config: object): Settings {
  const result = checkConfig(config, 'permissions');
  if (result.kind === 'wrong') throw new Error(result.problems.join('\n'));
  return result.settings;
}

/** Boots an assembly that differs from the synthesised one in its template alone. */
function booted(name: string, changed: Template, sweepEveryMs: number | null): Promise<Runtime> {
  const assemblyFolder = join(folder, `${name}.out`);
  cpSync(synthesised, assemblyFolder, { recursive: true });
  writeFileSync(join(assemblyFolder, templateFile), JSON.stringify(changed));
  return boot({
    settings,
    assemblyFolder,
    dataFolder: join(folder, name),
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile: join(folder, 'secrets.json'),
    sweepEveryMs,
    timeScale: 1,
    demo: false,
    sesIdentities: errandIdentities,
    sesOut: `127.0.0.1:${nextHop.port}`,
    show: () => {},
  });
}

describe.each(stacks)('with all that the template grants, in the stack for $name,', ({ name, sweepEveryMs, parts }) => {
  let runtime: Runtime | undefined;

  beforeAll(async () => {
    forget(nextHop);
    runtime = await booted(`whole-${name}`, template, sweepEveryMs).catch((error: Error) => {
      throw new Error(lackIn(error.message));
    });
    heard.listen(runtime.emulators.iam);
  });
  afterAll(async () => {
    await runtime?.stop();
  });

  it.each(parts.map((part) => [part.name, part] as const))('%s', async (_name, part) => {
    if (runtime === undefined) throw new Error('the stack did not start');
    await runPart(part, { runtime, nextHop, patienceMs: 60_000 });
    ended.add(part);
    for (const used of runtime.emulators.iam.used()) {
      const grant = effective.find((each) => isUse(each, used));
      if (grant !== undefined && !neededIn.has(grant)) neededIn.set(grant, part);
    }
  });

  it('no permission was missing', () => {
    expect(lacks(runtime?.emulators.iam.denials() ?? [])).toEqual([]);
  });
});

describe('with all that the template grants', () => {
  it('the errand ends well', () => {
    expect(ended.size).toBe(all.length);
  });

  it('nothing is granted that the errand does not need', () => {
    const surplus = effective.filter((grant) => !neededIn.has(grant)).map(worded);
    expect(surplus).toEqual([]);
  });

  it('another implementation decides every call of the errand alike', async () => {
    expect(heard.judged().length).toBeGreaterThan(effective.length);
    expect(await disagreements(heard.judged())).toEqual([]);
  });

  it('the permissions without effect here are the few that the rules know', () => {
    expect(grants.length - effective.length).toBeLessThan(grants.length / 3);
    expect(new Set(grants.map((grant) => withoutEffectHere(grant, errandIdentities))).size).toBeLessThanOrEqual(3);
  });
});

describe('one permission fewer, and it is named:', () => {
  it.each(effective.map((grant) => [worded(grant), grant] as const))('%s', async (_, grant) => {
    const part = neededIn.get(grant);
    if (part === undefined || ended.size < all.length)
      throw new Error('the whole errand, with everything granted, did not come to need it');
    const named = new RegExp(`^${holderOf(grant)} lacks ${grant.action} on \\S`, 'm');
    const said = await complaint(grant, [part]);
    // What the whole run came to need there by what lay before it alone, as a late event after hours, the whole errand
    // needs again.
    expect(named.test(said) ? said : await complaint(grant, all)).toMatch(named);
  });
});

/** What stops these parts of the errand, or the deploy before them: AWS's own words for a refusal in the same form. */
async function complaint(grant: Grant, some: readonly Part[]): Promise<string> {
  for (const { name, sweepEveryMs, parts } of stacks) {
    const mine = parts.filter((part) => some.includes(part));
    if (mine.length === 0) continue;
    let runtime: Runtime | undefined;
    forget(nextHop);
    try {
      runtime = await booted(`${grant.id}-${some.length}-${name}`, without(template, grant), sweepEveryMs);
      for (const part of mine) await runPart(part, { runtime, nextHop, patienceMs: 30_000 });
    } catch (error) {
      return lackIn(error instanceof Error ? error.message : String(error));
    } finally {
      await runtime?.stop();
    }
  }
  return 'nothing';
}

function worded(grant: Grant): string {
  return `${holderOf(grant)} (${grant.logicalId}): ${grant.action} on ${JSON.stringify(grant.resource)}`;
}
