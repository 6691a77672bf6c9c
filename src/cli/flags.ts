/** Every flag that some command takes. */
export type FlagName =
  | 'to'
  | 'mirror'
  | 'upstream'
  | 'mirror-auth'
  | 'root'
  | 'dry-run'
  | 'undo'
  | 'write-config'
  | 'store'
  | 'backend'
  | 'listen'
  | 'peer'
  | 'discovery'
  | 'network-key-file'
  | 'allow-peer'
  | 'share'
  | 'grant-file'
  | 'identity-file'
  | 'key'
  | 'match'
  | 'ttl'
  | 'new'
  | 'platform'
  | 'insecure'
  | 'origin'
  | 'role'
  | 'supernode'
  | 'trusted-range'
  | 'region'
  | 'zone'
  | 'rack'
  | 'json'
  | 'verbose'

/** A flag as its user sees it. */
export interface Flag {
  readonly name: FlagName
  /** What stands for its value in the help; a flag without is a switch. */
  readonly value?: string
  /** May be given several times. */
  readonly repeatable?: true
  readonly help: string
  /** In words: the help's `default`. */
  readonly byDefault?: string
}

/** How to print; for every command. */
export const outputFlags: readonly Flag[] = [
  { name: 'json', help: 'print one JSON object a line on standard output' },
  { name: 'verbose', help: 'say more on standard error, with stack traces of failures' },
]

/** Where `pull` writes. */
export const toFlag: Flag = {
  name: 'to',
  value: 'DIR',
  help: 'folder to write the image to, as an OCI image layout; made if absent, added to if it is one',
}

/** The registries that a mirror stands in for; for `serve` and `configure`. */
const upstreamFlag: Flag = {
  name: 'upstream',
  value: 'REGISTRY[=URL]',
  repeatable: true,
  help: 'registry that the mirror stands in for, as references name it, and where it answers if not at its name',
}

/** The flags of a mirror that `serve` runs. */
export const mirrorFlags: readonly Flag[] = [
  {
    name: 'mirror',
    value: 'HOST:PORT',
    help: 'address on which to serve container engines as a registry mirror; needs --upstream',
    byDefault: 'no mirror',
  },
  upstreamFlag,
  {
    name: 'mirror-auth',
    value: 'node|passthrough',
    help: 'whose rights at the registry count: those of this node for everybody, or those of each caller',
    byDefault: 'node',
  },
]

/** The flags of `configure`, which runs no node. */
export const configureFlags: readonly Flag[] = [
  {
    name: 'mirror',
    value: 'URL',
    help: 'where the mirror answers the engine',
    byDefault: 'http://127.0.0.1:5001',
  },
  upstreamFlag,
  { name: 'root', value: 'DIR', help: "folder that stands for the machine's root, such as that of an image", byDefault: '/' },
  { name: 'dry-run', help: 'show what would change, and change nothing' },
  { name: 'undo', help: 'take out what configure put in' },
  { name: 'write-config', help: "containerd: set config_path in config.toml too, where it is missing" },
]

/** The flags of every command. */
export const commonFlags: readonly Flag[] = [
  {
    name: 'store',
    value: 'DIR',
    help: 'folder in which this node keeps blobs; several processes may share it',
    byDefault: '$XDG_CACHE_HOME/damselfly, else ~/.cache/damselfly',
  },
  {
    name: 'backend',
    value: 'fs|containerd=ROOT',
    help: "where complete blobs live: in the store, or in the content store of the containerd with that root, and in this one what it does not have",
    byDefault: 'fs',
  },
  {
    name: 'listen',
    value: 'ADDR',
    repeatable: true,
    help: 'multiaddr on which other nodes reach this one',
    byDefault: '/ip4/0.0.0.0/tcp/0',
  },
  {
    name: 'peer',
    value: 'ADDR',
    repeatable: true,
    help: 'multiaddr of a node to begin with, best with /p2p/ and its peer id at the end',
  },
  {
    name: 'discovery',
    value: 'LIST',
    repeatable: true,
    help: 'ways to find peers, with commas between them: dht, mdns, dns=HOST:PORT; or none',
    byDefault: 'dht,mdns',
  },
  {
    name: 'network-key-file',
    value: 'FILE',
    help: 'file with the key of a closed network, as openssl rand -hex 32 prints it; nodes without the key cannot connect',
  },
  {
    name: 'allow-peer',
    value: 'ID',
    repeatable: true,
    help: 'peer id of a node that may connect; all others may not, and those that may share private images too',
  },
  {
    name: 'share',
    value: 'MATCH=ACCESS',
    repeatable: true,
    help: 'who may read the blobs of which repositories: public, network, never, or grant:ISSUER+ISSUER; the first that matches decides',
  },
  {
    name: 'grant-file',
    value: 'FILE',
    help: 'file with grants for this node, one a line, as damselfly grant prints them',
  },
  {
    name: 'identity-file',
    value: 'FILE',
    help: 'file with this node\'s private key, made if absent, so that its peer id stays the same',
    byDefault: 'serve keeps one in its store, other commands have a new identity each time',
  },
  {
    name: 'platform',
    value: 'OS/ARCH[/VARIANT]',
    help: 'which image of a multi-platform one',
    byDefault: 'linux on the architecture of this machine',
  },
  {
    name: 'insecure',
    value: 'HOST',
    repeatable: true,
    help: 'registry host, with its port, to be reached by plain HTTP',
  },
  {
    name: 'origin',
    value: 'auto|never',
    help: 'whether registries may be asked for what no peer has',
    byDefault: 'auto',
  },
  {
    name: 'role',
    value: 'peer|supernode',
    help: 'supernode for a long-lived node that others prefer, and that loads for itself what it is asked for',
    byDefault: 'peer',
  },
  {
    name: 'supernode',
    value: 'ADDR',
    repeatable: true,
    help: 'multiaddr of a supernode, best with /p2p/ and its peer id at the end',
  },
  {
    name: 'trusted-range',
    value: 'CIDR',
    repeatable: true,
    help: 'addresses of machines that you run: limits per address do not count there, and peers there are dialled on any port',
    byDefault: 'private addresses for the limits, the networks of this machine for dialling',
  },
  { name: 'region', value: 'NAME', help: 'where this node stands; near peers are preferred' },
  { name: 'zone', value: 'NAME', help: 'zone within the region' },
  { name: 'rack', value: 'NAME', help: 'rack within the zone' },
  ...outputFlags,
]

/** The flags of `grant`. */
export const grantFlags: readonly Flag[] = [
  { name: 'key', value: 'FILE', help: 'file with the Ed25519 private key to sign with, PEM, mode 0600' },
  { name: 'new', help: 'make that key, in a file that does not exist yet' },
  { name: 'peer', value: 'ID', help: 'peer id of the node that may read; on the command line only' },
  { name: 'match', value: 'PATTERN', help: 'repositories that it may read, like registry.example/team/**' },
  { name: 'ttl', value: 'TIME', help: 'how long, from now, like 90s, 30m or 12h; 24h at most', byDefault: '1h' },
  ...commonFlags.filter(({ name }) => name === 'json' || name === 'verbose'),
]

/** The environment variable that stands in for a flag: `DAMSELFLY_NETWORK_KEY_FILE`. */
export function envName(name: FlagName): string {
  return `DAMSELFLY_${name.toUpperCase().replaceAll('-', '_')}`
}
