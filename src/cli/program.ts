import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { CommandContext } from './command-context.ts'
import { readSettings, type GivenFlags } from './config.ts'
import { commonFlags, configureFlags, envName, grantFlags, mirrorFlags, outputFlags, toFlag, type Flag } from './flags.ts'
import { Output, type OutputInit } from './output.ts'

/** What commands need of the process. */
export interface ProgramInit extends Pick<OutputInit, 'stdout' | 'stderr'> {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted when the process is to end. */
  readonly signal: AbortSignal
}

interface Verb {
  readonly name: string
  readonly argument?: { readonly name: string; readonly help: string }
  readonly help: string
  readonly flags: readonly Flag[]
  /** Loads the command, and with it the library: help and wrong usage are answered without. */
  readonly load: () => Promise<(context: CommandContext, subject: string) => Promise<void>>
}

const reference = {
  name: 'reference',
  help: 'image reference: alpine:3.20, registry.example.com/app@sha256:…',
}

const verbs: readonly Verb[] = [
  {
    name: 'pull',
    argument: reference,
    help: 'fetch an image from peers and its registry, and write it as an OCI image layout',
    flags: [toFlag, ...commonFlags],
    load: async () => (await import('./command/pull.ts')).pull,
  },
  {
    name: 'seed',
    argument: {
      name: 'source',
      help: 'folder with an OCI image layout, a file, or an image reference; a path that exists wins',
    },
    help: 'offer an image or a file to other nodes until interrupted',
    flags: commonFlags,
    load: async () => (await import('./command/seed.ts')).seed,
  },
  {
    name: 'serve',
    help: 'run a node that helps others to find each other and offers what its store holds, and a registry mirror with --mirror, until interrupted',
    flags: [...mirrorFlags, ...commonFlags],
    load: async () => (await import('./command/serve.ts')).serve,
  },
  {
    name: 'inspect',
    argument: reference,
    help: 'show the manifest, config, layers and platforms of an image',
    flags: commonFlags,
    load: async () => (await import('./command/inspect.ts')).inspect,
  },
  {
    name: 'grant',
    help: 'sign a grant: a node may read private images of some repositories for a while; or make the key for that',
    flags: grantFlags,
    load: async () => (await import('./command/grant.ts')).grant,
  },
  {
    name: 'configure',
    argument: { name: 'engine', help: 'containerd, docker, podman (buildah and skopeo too) or crio' },
    help: 'put the mirror of a node before a container engine, in the files of that engine, or take it out again',
    flags: [...configureFlags, ...outputFlags],
    load: async () => (await import('./command/configure.ts')).configure,
  },
]

const footer = `
Every flag is also the environment variable shown with it: lists with commas between their values, switches as 1 or 0.
The command line wins.

Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted (SIGINT), 143 terminated (SIGTERM).`

/** The command line's grammar; its actions run the commands. Wrong usage throws a `CommanderError`. */
export function createProgram(init: ProgramInit): Command {
  const program = new Command('damselfly')
    .description('Moves container images from node to node, and from their registry only what no node has.')
    .version(packageVersion())
    .configureOutput({
      writeOut: (text) => void init.stdout.write(text),
      writeErr: (text) => void init.stderr.write(text),
      // The caller tells of failures, in one form for all of them.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('after', footer)
  for (const verb of verbs) addVerb(program, verb, init)
  return program
}

function addVerb(program: Command, verb: Verb, init: ProgramInit): void {
  const command = program.command(verb.name).description(verb.help).addHelpText('after', footer)
  if (verb.argument) command.argument(`<${verb.argument.name}>`, verb.argument.help)
  for (const flag of verb.flags) command.addOption(toOption(flag))
  command.action(async () => {
    const given = givenFlags(command)
    const settings = readSettings(given, init.env)
    const output = new Output({ ...settings, stdout: init.stdout, stderr: init.stderr })
    const run = await verb.load()
    await run({ settings, output, given, env: init.env, signal: init.signal }, command.args[0] ?? '')
  })
}

function toOption({ name, value, repeatable, help, byDefault }: Flag): Option {
  const facts = [
    ...(repeatable ? ['repeatable'] : []),
    ...(byDefault ? [`default: ${byDefault}`] : []),
    `env: ${envName(name)}`,
  ]
  const option = new Option(value ? `--${name} <${value}>` : `--${name}`, `${help} (${facts.join('; ')})`)
  // Not commander's variadic form, which would swallow the argument that follows.
  if (repeatable) option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
  return option
}

function givenFlags(command: Command): GivenFlags {
  return Object.fromEntries(
    command.options.map((option) => [
      option.long?.slice(2) ?? option.name(),
      command.getOptionValue(option.attributeName()),
    ]),
  )
}

/** Source and build are both two folders below the package's own file. */
function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'))
  return version
}
