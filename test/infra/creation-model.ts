// `cdk deploy` of a new stack whose creation fails at a resource, by the rules of creation-rules.ts: creation,
// rollback, and the same command again. Called by failed-creation.test.ts and failed-creation-report.ts. It is hard on
// the template: what may run in parallel has run when the resource fails, and what may be deleted is deleted at once.

import { Account, RefusedByAws, type Thing } from './creation-account.ts';
import type { CreationPlan } from './creation-plan.ts';
import type { Refusal } from './creation-rules.ts';

export type Failure = {
  readonly at: string;
  /** `refused`: it is never made. `made`: it is made, and then reported as failed. */
  readonly how: 'refused' | 'made';
  /** How far the others are by then: nothing but what it needs, or everything that does not need it. */
  readonly others: 'needed' | 'all';
};

export type Played = {
  readonly status: 'CREATE_COMPLETE' | 'ROLLBACK_COMPLETE' | 'ROLLBACK_FAILED' | 'NOT_CREATED';
  readonly refusals: readonly Refusal[];
  /** Where the first mail could come in: what did not exist yet. Null where none could. */
  readonly missingAtFirstMail: readonly string[] | null;
};

type Stack = {
  readonly uuid: string;
  status: Exclude<Played['status'], 'NOT_CREATED'> | 'DELETE_FAILED' | null;
  readonly made: Map<string, Thing>;
  readonly protected: boolean;
};

export class Deploys {
  readonly account = new Account();
  private stack: Stack | null = null;
  private creations = 0;
  private readonly plan: CreationPlan;
  private readonly needs: CreationPlan['needs'];
  private readonly waits: boolean;

  /** `waits`: the deploying role lets CloudFormation wait for the interfaces of a function. */
  constructor(plan: CreationPlan, { waits = true } = {}) {
    this.plan = plan;
    this.needs = plan.needs;
    this.waits = waits;
  }

  get ids(): readonly string[] {
    return [...this.needs.keys()];
  }

  /** What is left of failed creations: outside of the stack, or in a stack that can only be deleted. */
  left(): readonly Thing[] {
    return [...this.account.things].filter((thing) => this.stack?.made.get(thing.logicalId) !== thing);
  }

  /** The command. Without a failure it ends as CREATE_COMPLETE, or what refused it is told. */
  deploy(failure?: Failure): Played {
    const refusals: Refusal[] = [];
    if (this.stack !== null && !this.removeRemains(refusals))
      return { status: 'NOT_CREATED', refusals, missingAtFirstMail: null };
    const stack: Stack = {
      uuid: `uuid${++this.creations}`,
      status: null,
      made: new Map(),
      protected: this.plan.terminationProtection,
    };
    this.stack = stack;
    const { missingAtFirstMail, failed } = this.create(stack, failure, refusals);
    if (failed) this.removeAll(stack, 'creation', refusals);
    const rolledBack = refusals.length > 0 && stack.made.size > 0 ? 'ROLLBACK_FAILED' : 'ROLLBACK_COMPLETE';
    stack.status = failed ? rolledBack : 'CREATE_COMPLETE';
    if (missingAtFirstMail !== null && missingAtFirstMail.length > 0)
      refusals.push({ by: 'no-mail-before-the-last-resource', at: missingAtFirstMail[0] ?? '' });
    return { status: stack.status, refusals, missingAtFirstMail };
  }

  private create(stack: Stack, failure: Failure | undefined, refusals: Refusal[]) {
    const ids = this.order(failure);
    let missingAtFirstMail: readonly string[] | null = null;
    let failed = false;
    for (const id of ids) {
      if (failure?.at === id && failure.how === 'refused') {
        failed = true;
        break;
      }
      const thing = this.thing(stack, id);
      try {
        this.account.create(thing);
      } catch (error) {
        if (!(error instanceof RefusedByAws)) throw error;
        refusals.push({ by: error.rule, at: id });
        failed = true;
        break;
      }
      stack.made.set(id, thing);
      if (missingAtFirstMail === null && this.account.acceptsMail())
        missingAtFirstMail = this.ids.filter((other) => !stack.made.has(other));
      if (failure?.at === id) {
        failed = true;
        break;
      }
    }
    return { missingAtFirstMail, failed };
  }

  /** The failing resource last; without a failure what lets mail in as early as the template allows. */
  private order(failure: Failure | undefined): readonly string[] {
    const first = failure?.at ?? this.ids.find((id) => this.plan.definition(id).Type === 'Custom::ActiveRuleSet') ?? '';
    const needed = this.ids.filter((id) => this.needs.get(first)?.has(id));
    const free = this.ids.filter((id) => id !== first && !needed.includes(id) && !this.needs.get(id)?.has(first));
    const later = this.ids.filter((id) => this.needs.get(id)?.has(first));
    if (failure === undefined) return [...needed, first, ...free, ...later];
    return failure.others === 'needed' ? [...needed, first] : [...needed, ...free, first];
  }

  private thing({ uuid, made }: Stack, id: string): Thing {
    return { ...this.plan.resolved(id, uuid, made), logicalId: id, objects: [] };
  }

  /** How the cdk command begins. False where it gives up. */
  private removeRemains(refusals: Refusal[]): boolean {
    const stack = this.stack;
    if (stack === null) return true;
    if (stack.status !== 'ROLLBACK_COMPLETE' && stack.status !== 'ROLLBACK_FAILED') {
      refusals.push({ by: 'only-deleted', at: String(stack.status) });
      return false;
    }
    if (stack.protected) {
      refusals.push({ by: 'cdk-protects-first', at: 'the stack' });
      return false;
    }
    this.removeAll(stack, 'deletion', refusals);
    if (stack.made.size > 0) {
      stack.status = 'DELETE_FAILED';
      refusals.push({ by: 'cdk-deletes-first', at: [...stack.made.keys()][0] ?? '' });
      return false;
    }
    this.stack = null;
    return true;
  }

  /** Each as soon as nothing that needs it is left; what a deletion refuses keeps what it needs. */
  private removeAll(stack: Stack, operation: 'creation' | 'deletion', refusals: Refusal[]): void {
    const refused = new Set<string>();
    for (let again = true; again; ) {
      again = false;
      for (const [id, thing] of [...stack.made]) {
        const needed = [...stack.made.keys()].some((other) => other !== id && this.needs.get(other)?.has(id));
        if (needed || refused.has(id)) continue;
        if (!this.keeps(id, operation))
          try {
            this.account.delete(thing, { waits: this.waits });
          } catch (error) {
            if (!(error instanceof RefusedByAws)) throw error;
            refused.add(id);
            refusals.push({ by: error.rule, at: id });
            continue;
          }
        stack.made.delete(id);
        again = true;
      }
    }
  }

  private keeps(id: string, operation: 'creation' | 'deletion'): boolean {
    const { DeletionPolicy = 'Delete' } = this.plan.definition(id);
    return DeletionPolicy === 'Retain' || (DeletionPolicy === 'RetainExceptOnCreate' && operation === 'deletion');
  }
}
