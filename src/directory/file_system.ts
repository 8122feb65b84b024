import type { Warnings } from "../core/warnings.ts";
import { system } from "../system/system.ts";

/** Types of file systems that may be mounted more than once, see statfs(2). */
const SHARED: ReadonlyMap<number, string> = new Map([
  [0x65735546, "FUSE (sshfs, bindfs, virtiofs)"],
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB"],
  [0xff534d42, "CIFS"],
  [0x01021997, "9p"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x5346414f, "AFS"],
  [0x47504653, "GPFS"],
  [0x786f4256, "a shared folder of VirtualBox"],
]);

/** Names a type of file system that may be mounted more than once. */
export function sharedFileSystem(type: number): string | undefined {
  return SHARED.get(type);
}

/**
 * Warns of a directory on a file system whose locks may exclude only those that
 * use the same mount. Trying them does not show it: there is one mount here.
 *
 * @param directory The directory.
 * @param warnings Is told, where the type of the file system may be asked for.
 */
export function warnOfSharing(directory: string, warnings: Warnings): void {
  const type = system.fileSystemType(directory);
  const name = type !== undefined && sharedFileSystem(type);
  if (!name) return;
  warnings.tell({
    type: "setup",
    path: directory,
    message:
      `${directory} is on ${name}, whose locks may not reach other mounts and hosts: use it through one mount on one host, or keep sessions in Redis or PostgreSQL`,
  });
}
