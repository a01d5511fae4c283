// A copy of the tree that a mutation may be made in, so that the working tree is never touched and several can run at
// the same time. Files are copied, not linked: Node resolves a link to where it leads, and would load the unchanged
// module. Only node_modules is a link.

import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LEFT_OUT = ['node_modules', '.git', 'dist', 'cdk.out', '.everpost', 'coverage'];

export class PrivateCopy {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async of(repository: string): Promise<PrivateCopy> {
    const root = await mkdtemp(join(tmpdir(), 'everpost-mutations-'));
    for (const name of await readdir(repository))
      if (!LEFT_OUT.includes(name)) await cp(join(repository, name), join(root, name), { recursive: true });
    await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
    return new PrivateCopy(root);
  }

  /** Runs `work` while the file has this text, and puts back what it had. */
  async with<T>(file: string, text: string, work: () => Promise<T>): Promise<T> {
    const path = join(this.root, file);
    const had = await readFile(path);
    await writeFile(path, text);
    try {
      return await work();
    } finally {
      await writeFile(path, had);
    }
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
