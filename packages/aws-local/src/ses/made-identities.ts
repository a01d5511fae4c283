// Identities that a caller creates (v2 CreateEmailIdentity), kept with the rest of the state, and whether SES forwards
// what it reports about their mail (PutEmailIdentityFeedbackAttributes). Called by ses.ts. No DNS is asked: one that
// was created is verified once the options of the account say so.

import type { Store } from '../store.ts';
import { AwsError } from '../world.ts';

export type MadeIdentities = {
  names(): readonly string[];
  /** Throws AlreadyExistsException where `known` has it. */
  create(name: string, known: readonly string[]): void;
  forwardsFeedback(name: string): boolean;
  /** Throws NotFoundException where `known` has it not. */
  setForwarding(name: string, forwards: boolean, known: readonly string[]): void;
};

type Row = { readonly created: boolean; readonly forwards: boolean };

export function madeIdentities(store: Pick<Store, 'table'>): MadeIdentities {
  const table = store.table<Row>('ses_identities');
  return {
    names: () => [...table.entries()].flatMap(([name, { created }]) => (created ? [name] : [])),
    create(name, known) {
      if (known.includes(name))
        throw new AwsError('AlreadyExistsException', 400, `Email identity ${name} already exist.`);
      table.put(name, { created: true, forwards: true });
    },
    forwardsFeedback: (name) => table.get(name)?.forwards ?? true,
    setForwarding(name, forwards, known) {
      if (!known.includes(name)) throw new AwsError('NotFoundException', 404, `Email identity ${name} does not exist.`);
      table.put(name, { created: table.get(name)?.created ?? false, forwards });
    },
  };
}
