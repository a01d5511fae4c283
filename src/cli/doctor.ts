// `everpost doctor`: asks whether everything that Everpost stands on is as it must be, one line a finding: state,
// check, what, remedy. Each area has a file of checks in the folder `doctor`. It changes nothing.

import { loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { resolverOf } from './dns-answers.ts';
import { alarmChecks } from './doctor/alarm-subscribers.ts';
import { accountChecks } from './doctor/aws-account.ts';
import type { Check, State } from './doctor/finding.ts';
import { reportJson, reportLines } from './doctor/finding-lines.ts';
import { leftoverChecks } from './doctor/leftovers.ts';
import { mailChecks } from './doctor/mail-state.ts';
import { nextHopChecks } from './doctor/next-hop-trials.ts';
import { type Place, placeOf } from './doctor/place.ts';
import { dnsChecks } from './doctor/record-state.ts';
import { runChecks, stateOf } from './doctor/run-checks.ts';
import { secretChecks } from './doctor/secret-forms.ts';
import { sesChecks } from './doctor/ses-state.ts';
import { BadConfiguration, exitCodes } from './exit.ts';
import { findInstance, ownRegion } from './find-instance.ts';
import { flag, instanceOptions, text, verb } from './verb.ts';

/** All checks run side by side: the whole takes little more. */
const CHECK_MS = 20_000;

const options = {
  resolver: text('ADDRESS', "the resolver to ask: ADDRESS or ADDRESS:PORT (default: this machine's own)"),
  config: text('FILE', 'the configuration (default everpost.config.ts)'),
  json: flag('one JSON object: the state of all, and each finding'),
};

export const doctor = verb({
  usage: 'doctor [options]',
  about: 'whether all that Everpost stands on is as it must be',
  sections: [
    options,
    instanceOptions,
    `It changes nothing, and takes less than half a minute. Exit code 1: something is wrong; 69: nothing is known to be
wrong, and something could not be found out. Example: everpost doctor --stack Everpost`,
  ],
  async run(values) {
    const settings = await settingsOf(values.config);
    const place = await placeNamed(settings, values);
    const examined = await runChecks(allChecks(place), CHECK_MS);
    const report = values.json === true ? reportJson(examined) : reportLines(examined).join('\n');
    process.stdout.write(`${report}\n`);
    return CODES[stateOf(examined)];
  },
});

const CODES: Readonly<Record<State, number>> = {
  ok: exitCodes.done,
  wrong: exitCodes.failed,
  unknown: exitCodes.notReachable,
};

/** In the order of the report. */
export function allChecks(place: Place): readonly Check[] {
  return [
    ...accountChecks(place),
    ...sesChecks(place),
    ...secretChecks(place),
    ...dnsChecks(place),
    ...alarmChecks(place),
    ...nextHopChecks(place),
    ...mailChecks(place),
    ...leftoverChecks(place),
  ];
}

/** The account of one's own credentials with --stack, whether the stack stands or not; else the local runtime. */
export async function placeNamed(
  settings: Settings,
  { data, stack, resolver }: { readonly data?: string; readonly stack?: string; readonly resolver?: string },
): Promise<Place> {
  const ask = resolverOf(resolver ?? null);
  if (stack !== undefined)
    return placeOf({ settings, stackName: stack, region: await ownRegion(), instance: null, ask });
  const instance = await findInstance({ ...(data === undefined ? {} : { data }) });
  return placeOf({ settings, stackName: settings.stackName, region: instance.region, instance, ask });
}

async function settingsOf(file: string | undefined): Promise<Settings> {
  const config = await loadConfig(file);
  if (config.kind === 'wrong') throw new BadConfiguration(config.problems.join('\n'));
  return config.settings;
}
