// Secrets that a template generates: a random value at first, kept with the rest of the state, and the value before the
// last PutSecretValue. Called by deploy.ts and secrets-manager.ts. Given secrets (a file's, or `secrets` of startAws)
// are not here.

import { randomInt } from 'node:crypto';
import type { Store } from '../store.ts';

export type MadeSecrets = {
  /** An existing secret keeps its value, as at a second deploy. The value is drawn from `letters`. */
  create(name: string, length: number, letters: string): void;
  names(): readonly string[];
  /** The newest value, then the one before it; undefined: there is no such secret. */
  values(name: string): readonly string[] | undefined;
  put(name: string, value: string): void;
};

export function madeSecrets(store: Pick<Store, 'table'>): MadeSecrets {
  const table = store.table<{ readonly values: readonly string[] }>('made_secrets');
  return {
    create(name, length, letters) {
      if (table.get(name) !== undefined) return;
      const value = Array.from({ length }, () => letters.charAt(randomInt(letters.length))).join('');
      table.put(name, { values: [value] });
    },
    names: () => [...table.entries()].map(([name]) => name),
    values: (name) => table.get(name)?.values,
    put(name, value) {
      const [current] = table.get(name)?.values ?? [];
      table.put(name, { values: current === undefined || current === value ? [value] : [value, current] });
    },
  };
}
