// What is to become of each delivery of a plan: from the script of the next hops and what the sender asked for, by the
// rules that are promised to people (README, docs/interfaces.md), and by nothing that the product computes.

import { mayExpireBy, turnedIn } from './conditions.ts';
import type { Due, End } from './evidence.ts';
import { waysOf } from './generator.ts';
import { type Fate, fateKey, type MessagePlan, type Plan, type RecipientPlan } from './plan.ts';

/** `expires`: nobody takes it or refuses it until its lifetime is over. */
type Meets = 'accepts' | 'refuses' | 'expires' | 'poison';

export function meets(fate: Fate | undefined): Meets {
  switch (fate?.kind) {
    case undefined:
    case 'accept':
    case 'hang':
      return 'accepts';
    case 'refuse':
      return 'refuses';
    case 'defer':
      return Number.isFinite(fate.times) ? (fate.next === 'accept' ? 'accepts' : 'refuses') : 'expires';
    case 'cut':
      return Number.isFinite(fate.times) ? 'accepts' : 'expires';
    case 'lie':
      return fate.says === 'never' ? 'refuses' : 'accepts';
    case 'poison':
      return 'poison';
  }
}

/** Something besides the script may keep a delivery from its end until its lifetime is over. */
export function isTroubled({ troubles, rates, conditions, settings, restore }: Plan): boolean {
  const byCalls = Object.values(rates).some((rate) => rate > 0);
  return troubles.length > 0 || byCalls || restore !== null || mayExpireBy(conditions, settings);
}

export function duesOf(plan: Plan, message: MessagePlan): Due[] {
  return message.recipients.flatMap((recipient) => duesFor(plan, message, recipient));
}

function duesFor(plan: Plan, message: MessagePlan, recipient: RecipientPlan): Due[] {
  const { address } = recipient;
  const ways = waysOf(address, message.direction);
  if (isForeign(message)) {
    const handed = ways.map(({ nextHop, address: to }) => ({ nextHop, address: to }));
    return [
      { forwardPath: address, action: 0, copy: false, ways: handed, ends: withTrouble(plan, ['held: foreign-sender']) },
    ];
  }
  const actions = [...new Set(ways.map(({ action }) => action))];
  if (actions.length === 0)
    return [
      {
        forwardPath: address,
        action: 0,
        copy: false,
        ways: [],
        ends: withTrouble(plan, endsWithoutWay(message, recipient, plan)),
      },
    ];
  return actions.map((action) => {
    const its = ways.filter((way) => way.action === action);
    const copy = its.some((way) => way.copy);
    const handed = its.map(({ nextHop, address: to }) => ({ nextHop, address: to }));
    return {
      forwardPath: address,
      action,
      copy,
      ways: handed,
      ends: withTrouble(
        plan,
        quarantineEnds(plan, message, recipient, copy) ?? [
          ...endsAt(plan, message, recipient, copy, its),
          ...endsAtTurned(plan, message, recipient, copy, its),
        ],
      ),
      mayFailLater:
        its.some((way) => failsLater(message, fateKey(way.nextHop, way.address))) || comesBack(message, address),
    };
  });
}

/** Who may not use this reverse-path is not told either: it may be anybody's. */
function isForeign({ direction, reversePath }: MessagePlan): boolean {
  return direction === 'outbound' && reversePath.endsWith('@foreign.example');
}

function endsWithoutWay(message: MessagePlan, recipient: RecipientPlan, plan: Plan): End[] {
  if (recipient.address.startsWith('trash@')) return ['discarded: discarded-by-route'];
  return failureEnds(plan, message, recipient, false);
}

/** Spam, a virus or a forgery that is not to be relayed; null where policy has nothing against it. */
function quarantineEnds(plan: Plan, message: MessagePlan, recipient: RecipientPlan, copy: boolean): End[] | null {
  const choice = plan.settings.policy.spam; // the same for all three
  const against = message.virus ? 'virus' : message.spam ? 'spam' : message.dmarcReject ? 'dmarc' : null;
  if (message.direction === 'outbound' || against === null || choice === 'relay') return null;
  const kept: End[] = [`quarantined: policy-${against}`, 'discarded: quarantine-over'];
  if (choice === 'quarantine' || copy) return kept;
  const failure = noticeEnds(plan, message, recipient, false);
  return failure.some((end) => end.startsWith('unreturnable')) ? kept : failure;
}

type Way = ReturnType<typeof waysOf>[number];

function endsAt(
  plan: Plan,
  message: MessagePlan,
  recipient: RecipientPlan,
  copy: boolean,
  ways: readonly Way[],
): End[] {
  const failure = failureEnds(plan, message, recipient, copy);
  const [first, fallback] = ways;
  if (first === undefined) return failure;
  const at = (way: Way): End[] => {
    const key = fateKey(way.nextHop, way.address);
    const met = meets(message.fates[key]);
    if (met === 'accepts')
      return failsLater(message, key) || comesBack(message, recipient.address)
        ? ['handed-on', ...failure]
        : ['handed-on'];
    // SES may say of a send whose answer was lost that it arrived: then that is what became of it.
    const confirmed: End[] =
      way.nextHop === 'ses' &&
      (message.events[key] ?? []).some(({ says }) => says === 'delivery') &&
      kept(message.fates[key])
        ? ['handed-on']
        : [];
    return [...failure, ...confirmed];
  };
  const met = meets(message.fates[fateKey(first.nextHop, first.address)]);
  const goesOn = fallback !== undefined && (met === 'expires' || isTroubled(plan));
  return [
    ...new Set([...(met === 'expires' && fallback !== undefined ? [] : at(first)), ...(goesOn ? at(fallback) : [])]),
  ];
}

/** A next hop that turns refuses it, whatever its script would say. */
function endsAtTurned(
  plan: Plan,
  message: MessagePlan,
  recipient: RecipientPlan,
  copy: boolean,
  ways: readonly Way[],
): End[] {
  const turned = turnedIn(plan.conditions);
  return ways.some(({ nextHop }) => turned.has(nextHop)) ? failureEnds(plan, message, recipient, copy) : [];
}

function kept(fate: Fate | undefined): boolean {
  return fate?.kind === 'cut' && fate.kept;
}

function failsLater({ events, fates }: MessagePlan, key: string): boolean {
  const accepted = meets(fates[key]) === 'accepts' || kept(fates[key]);
  return accepted && (events[key] ?? []).some(({ says }) => says === 'bounce' || says === 'reject');
}

function comesBack({ reportAfterMs, direction }: MessagePlan, address: string): boolean {
  return direction === 'inbound' && reportAfterMs !== null && /^fwd\d@/.test(address);
}

/** What becomes of a delivery that failed: its sender hears of it, or there is a reason why not. */
function failureEnds(plan: Plan, message: MessagePlan, recipient: RecipientPlan, copy: boolean): End[] {
  const ends = noticeEnds(plan, message, recipient, copy);
  const told = ends.includes('returned') || ends.includes('held: *');
  return told && mayBeTooMany(message) ? [...ends, 'unreturnable: message-limit'] : ends;
}

/** Nothing vouches for its reverse-path, and its recipients may make more than five notices, two of them of delays. */
function mayBeTooMany({ direction, spf, recipients }: MessagePlan): boolean {
  return direction === 'inbound' && spf !== 'PASS' && recipients.length > 3;
}

function noticeEnds(plan: Plan, message: MessagePlan, { notify }: RecipientPlan, copy: boolean): End[] {
  if (copy) return ['held: copy-delivery'];
  const { reversePath } = message;
  if (reversePath === '') return ['unreturnable: null-reverse-path'];
  if (/ is no path$/.test(reversePath)) return ['unreturnable: reverse-path-invalid'];
  if (reversePath === plan.settings.notices.from) return ['unreturnable: own-notice-address'];
  if (message.direction === 'outbound') {
    if (notify?.includes('NEVER')) return ['unreturnable: notify-never'];
    if (notify !== null && !notify.includes('FAILURE')) return ['unreturnable: notify-no-failure'];
  } else if (message.spf !== 'PASS') {
    if (message.virus) return ['unreturnable: virus'];
    if (message.spam) return ['unreturnable: spam'];
    if (message.spf === 'FAIL') return ['unreturnable: spf-fail'];
    if (message.dmarcReject) return ['unreturnable: dmarc-fail'];
  }
  const way = plan.settings.notices.via ?? 'ses-report';
  const met = meets(message.fates[fateKey(way, reversePath)]);
  if (plan.settings.notices.via === null) return met === 'accepts' ? ['returned'] : ['returned', 'held: *'];
  return met === 'accepts' ? ['returned'] : ['held: *'];
}

function withTrouble(plan: Plan, ends: readonly End[]): End[] {
  const more = isTroubled(plan) || plan.conditions.length > 0 ? plan.alsoEnds : [];
  return [...ends, ...more];
}
