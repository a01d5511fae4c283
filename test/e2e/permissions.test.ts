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
import { type Part, parts, runPart } from './errand.ts';
import type { NextHop } from './errand-deeds.ts';
import { errandConfig, errandIdentities, errandNextHop, errandSecrets } from './errand-setting.ts';
import { type Grant, holderOf, isUse, lackIn, takenApart, without, withoutEffectHere } from './grants.ts';
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
let wholeRun: unknown = null;
/** Every decision of the run with all of them. */
const heard = hearing();

beforeAll(async () => {
  try {
    const runtime = await booted('whole', template);
    heard.listen(runtime.emulators.iam);
    for (const part of parts) {
      await runPart(part, { runtime, nextHop, patienceMs: 20_000 });
      for (const used of runtime.emulators.iam.used()) {
        const grant = effective.find((each) => isUse(each, used));
        if (grant !== undefined && !neededIn.has(grant)) neededIn.set(grant, part);
      }
    }
    await runtime.stop();
  } catch (error) {
    wholeRun = error instanceof Error ? new Error(lackIn(error.message)) : error;
  }
});
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
function booted(name: string, changed: Template): Promise<Runtime> {
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
    sweepEveryMs: null,
    timeScale: 1,
    demo: false,
    sesIdentities: errandIdentities,
    sesOut: `127.0.0.1:${nextHop.port}`,
    show: () => {},
  });
}

function forget({ caught, turnedAway }: NextHop): void {
  caught.splice(0);
  turnedAway.clear();
}

describe('with all that the template grants', () => {
  it('the whole errand meets no denial', () => {
    if (wholeRun !== null) throw wholeRun;
  });

  it('nothing is granted that the errand does not need', () => {
    if (wholeRun !== null) throw wholeRun;
    const surplus = effective.filter((grant) => !neededIn.has(grant)).map(worded);
    expect(surplus).toEqual([]);
  });

  it('another implementation decides every call of the errand alike', async () => {
    if (wholeRun !== null) throw wholeRun;
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
    if (wholeRun !== null) throw wholeRun;
    const part = neededIn.get(grant);
    if (part === undefined) throw new Error('the whole errand, with everything granted, did not come to need it');
    const named = new RegExp(`^${holderOf(grant)} lacks ${grant.action} on \\S`, 'm');
    const said = await complaint(grant, [part]);
    // What the whole run came to need there by what lay before it alone, as a late event after hours, the whole errand
    // needs again.
    expect(named.test(said) ? said : await complaint(grant, parts)).toMatch(named);
  });
});

/** What stops the errand, or the deploy before it: AWS's own words for a refusal in the same form. */
async function complaint(grant: Grant, some: readonly Part[]): Promise<string> {
  let runtime: Runtime | undefined;
  forget(nextHop);
  try {
    runtime = await booted(`${grant.id}-${some.length}`, without(template, grant));
    for (const part of some) await runPart(part, { runtime, nextHop, patienceMs: 10_000 });
    return 'nothing';
  } catch (error) {
    return lackIn(error instanceof Error ? error.message : String(error));
  } finally {
    await runtime?.stop();
  }
}

function worded(grant: Grant): string {
  return `${holderOf(grant)} (${grant.logicalId}): ${grant.action} on ${JSON.stringify(grant.resource)}`;
}
