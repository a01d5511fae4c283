// Permissions on many resources of one kind, whose number the configuration decides: identities of SES, secrets of next
// hops. Called by stage.ts for a function's role, and by nag-reasons.ts for the places. It decides where they stand:
// few in the role's own policy, many in managed policies, because IAM limits the characters of both. It never grants
// more than the list names. Where no number of policies holds a list, the list's own wildcard stands for all.

import { inlineListsCharsMax, managedPoliciesMax, managedPolicyCharsMax } from '#core/limits.ts';

export type GrantList = {
  /** Letters and digits: part of a construct's id. */
  readonly id: string;
  readonly actions: readonly string[];
  /** Of an ARN, `arn:aws:SERVICE:…:KIND` and the name. */
  readonly service: string;
  readonly kind: string;
  readonly names: readonly string[];
  /** The one name that stands for all where they are too many; without it that is an error. */
  readonly otherwise?: string;
};

export type Placed = {
  readonly inline: readonly GrantList[];
  /** A managed policy each, by the construct's id. */
  readonly managed: readonly (GrantList & { readonly policyId: string })[];
};

/**
 * An ARN's partition, region and account, with quotes and comma, in the region where these are longest:
 * `"arn:aws-iso-f::us-isof-south-1:111122223333:",`. The template is for any region of any partition.
 */
const arnChars = 47;
/** A policy around its resources. */
const frameChars = 150;

/** The short lists inline, as far as they fit. Throws where there are more names than ten managed policies hold. */
export function placed(lists: readonly GrantList[]): Placed {
  const given = lists.filter(({ names }) => names.length > 0).toSorted((a, b) => charsOf(a) - charsOf(b));
  const inline: GrantList[] = [];
  const managed: Placed['managed'][number][] = [];
  let left = inlineListsCharsMax;
  for (const list of given) {
    const parts = partsOf(list);
    if (charsOf(list) <= left) {
      inline.push(list);
      left -= charsOf(list);
    } else if (managed.length + parts.length <= managedPoliciesMax)
      managed.push(...parts.map((names, index) => ({ ...list, names, policyId: `${list.id}${index + 1}` })));
    else if (list.otherwise !== undefined) inline.push({ ...list, names: [list.otherwise] });
    else throw new Error(`${list.names.length} ${list.id.toLowerCase()} are more than a role's policies can name`);
  }
  return { inline, managed };
}

function partsOf(list: GrantList): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let left = 0;
  for (const name of list.names) {
    const chars = charsOf({ ...list, names: [name] });
    if (chars > left) {
      parts.push([]);
      left = managedPolicyCharsMax - frameChars;
    }
    parts.at(-1)?.push(name);
    left -= chars;
  }
  return parts;
}

function charsOf({ names, service, kind }: GrantList): number {
  return names.reduce((sum, name) => sum + name.length + service.length + kind.length + arnChars, 0);
}
