import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { RequestError } from '../../src/core/errors.ts'
import type { ContainerEngine, EngineFiles, EnginePlan } from '../../src/mirror/engine-files.ts'
import { planEngineSetup, planEngineUndo, type EngineSetup } from '../../src/mirror/engine-plan.ts'
import { tomlOf } from './toml.ts'

const engines: readonly ContainerEngine[] = ['containerd', 'docker', 'podman', 'crio']
const dropIn = '/etc/containers/registries.conf.d/50-damselfly.conf'

function applied(files: EngineFiles, { changes }: EnginePlan): Map<string, string> {
  const after = new Map(files)
  for (const { path, before, after: text } of changes) {
    assert.equal(after.get(path), before, path)
    if (text === undefined) after.delete(path)
    else after.set(path, text)
  }
  return after
}

function sorted(files: EngineFiles): [string, string][] {
  return [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** What may be on a machine, each file or not. */
const possible: Readonly<Record<string, readonly string[]>> = {
  '/etc/containerd/config.toml': ['', 'version = 2\n', 'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n  config_path = ""\n'],
  '/etc/containerd/certs.d/docker.io/hosts.toml': ['server = "https://a.example"', '[host."https://m.example"]\n', '[host."http://127.0.0.1:6001"]\n'],
  '/etc/containerd/certs.d/docker.io/ca.crt': [''],
  '/etc/containerd/certs.d/_default/hosts.toml': ['[host."https://all.example"]\r\n'],
  '/etc/containerd/certs.d/reg.example_5000_/ca.crt': [''],
  '/etc/docker/daemon.json': ['{}', '{ }\n', '{"debug": true}', '{\n  "registry-mirrors": []\n}\n', '', '{"registry-mirrors": ["http://127.0.0.1:5001"]}'],
  '/etc/docker/key.json': ['{}'],
  '/etc/containers/registries.conf': ['unqualified-search-registries = ["docker.io"]\n', '[[registry]]\nlocation = "docker.io"\nblocked = true\n'],
  '/etc/containers/registries.conf.d/10-a.conf': ['[[registry]]\nprefix = "docker.io"\nlocation = "hub.internal"\n[[registry.mirror]]\nlocation = "m.example"\n'],
}
const machine = fc
  .record(Object.fromEntries(Object.entries(possible).map(([path, texts]) => [path, fc.option(fc.constantFrom(...texts), { nil: undefined })])))
  .map((files) => new Map(Object.entries(files).flatMap(([path, text]) => (text === undefined ? [] : [[path, text] as const]))))
const setups: fc.Arbitrary<EngineSetup> = fc.record({
  mirrorUrl: fc.constantFrom(undefined, 'http://127.0.0.1:5001', '127.0.0.1:6001', 'https://mirror.example'),
  upstreams: fc.constantFrom(undefined, [{ registry: 'docker.io' }], [{ registry: 'docker.io' }, { registry: 'reg.example:5000', url: 'http://10.0.0.7' }]),
  writeConfig: fc.boolean(),
})

describe('planEngineSetup', () => {
  test('changes nothing a second time, and is undone to the byte, on whatever machine', () => {
    fc.assert(
      fc.property(fc.constantFrom(...engines), machine, setups, setups, (engine, files, setup, other) => {
        const configured = applied(files, planEngineSetup(engine, files, setup))
        assert.deepEqual(planEngineSetup(engine, configured, setup).changes, [])
        assert.deepEqual(sorted(applied(configured, planEngineUndo(engine, configured))), sorted(files))
        const twice = applied(configured, planEngineSetup(engine, configured, other))
        assert.deepEqual(sorted(applied(twice, planEngineUndo(engine, twice))), sorted(files))
      }),
      { numRuns: 2000 },
    )
  })

  test('keeps a backup of what its user wrote, and none of what it wrote itself', () => {
    const path = '/etc/containerd/certs.d/docker.io/hosts.toml'
    const files = new Map([[path, 'server = "https://a.example"\n']])
    const once = applied(files, planEngineSetup('containerd', files, { upstreams: [{ registry: 'docker.io' }] }))
    const twice = applied(once, planEngineSetup('containerd', once, { upstreams: [{ registry: 'docker.io' }], mirrorUrl: '127.0.0.1:6001' }))
    assert.equal(twice.get(`${path}.before-damselfly`), 'server = "https://a.example"\n')
  })

  test('carries what others say of a registry into the drop-in that replaces it', () => {
    const files = new Map([
      ['/etc/containers/registries.conf', '[[registry]]\nlocation = "docker.io"\nblocked = true\n'],
      ['/etc/containers/registries.conf.d/10-a.conf', '[[registry]]\nprefix = "docker.io"\nlocation = "hub.internal"\n[[registry.mirror]]\nlocation = "m.example"\n'],
    ])
    const plan = planEngineSetup('podman', files)
    assert.deepEqual(tomlOf(applied(files, plan).get(dropIn) ?? ''), {
      registry: [
        {
          prefix: 'docker.io',
          location: 'hub.internal',
          mirror: [{ location: '127.0.0.1:5001/docker.io', insecure: true }, { location: 'm.example' }],
        },
      ],
    })
    assert.match(plan.notes.join('\n'), /10-a\.conf says of the same registries was carried over/)
  })

  const refused: [name: string, engine: ContainerEngine, files: Record<string, string>, setup: EngineSetup, says: RegExp][] = [
    ['a malformed drop-in of others', 'crio', { '/etc/containers/registries.conf.d/1.conf': '[[registry]\n' }, {}, /1\.conf, line 1, column \d+/],
    ['a drop-in of that name that is not ours', 'podman', { [dropIn]: 'a = 1\n' }, {}, /50-damselfly\.conf has lines that damselfly did not write/],
    ['a drop-in that would win', 'podman', { '/etc/containers/registries.conf.d/60.conf': '[[registry]]\nlocation = "docker.io"\n' }, {}, /60\.conf is read after/],
    ['the old format', 'podman', { '/etc/containers/registries.conf': '[registries.search]\nregistries = []\n' }, {}, /first version of its format/],
    ['registries that Docker has no mirrors for', 'docker', {}, { upstreams: [{ registry: 'quay.io' }] }, /Docker Hub only, and never for those of quay\.io/],
    ['a mirror with a path', 'docker', {}, { mirrorUrl: 'http://127.0.0.1:5001/v2' }, /with nothing behind the port/],
    ['a registry that is none', 'podman', {}, { upstreams: [{ registry: '../etc' }] }, /is not the name of a registry/],
    ['a registry twice', 'podman', {}, { upstreams: [{ registry: 'docker.io' }, { registry: 'index.docker.io' }] }, /docker\.io is named twice/],
    ['a malformed config.toml', 'containerd', { '/etc/containerd/config.toml': 'version = 2\n[x\n' }, {}, /config\.toml, line 2, column \d+/],
  ]
  for (const [name, engine, files, setup, says] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(() => planEngineSetup(engine, new Map(Object.entries(files)), setup), (error) => error instanceof RequestError && says.test(error.message))
    })
  }

  test('says when containerd does not look there', () => {
    const header = '[plugins."io.containerd.grpc.v1.cri".registry]'
    const notes = (text: string): string => planEngineSetup('containerd', new Map([['/etc/containerd/config.toml', `version = 2\n${text}`]])).notes.join('\n')
    assert.match(notes(''), /below \[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\] set config_path = "\/etc\/containerd\/certs\.d"/)
    assert.match(notes(`${header}\nconfig_path = "/srv"\n`), /is \/srv: containerd does not look into/)
    assert.match(notes(`[${header.slice(1, -1)}.configs."a"]\nx = 1\n`), /exclude config_path/)
    assert.equal(notes(`${header}\nconfig_path = "/etc/containerd/certs.d"\n`), '')
  })
})

describe('planEngineUndo', () => {
  test('takes out what is ours alone where its user went on writing, and says what is left', () => {
    const path = '/etc/docker/daemon.json'
    const files = new Map([[path, '{\n  "debug": true\n}\n']])
    const configured = applied(files, planEngineSetup('docker', files))
    configured.set(path, (configured.get(path) ?? '').replace('true', 'false').replace('[', '["https://m.example", '))
    const plan = planEngineUndo('docker', configured)
    const after = applied(configured, plan)
    assert.equal(after.get(path), '{\n  "debug": false,\n  "registry-mirrors": ["https://m.example"]\n}\n')
    assert.equal(after.get(`${path}.before-damselfly`), '{\n  "debug": true\n}\n')
    assert.match(plan.notes.join('\n'), /daemon\.json was changed by others since: only what is ours was taken out; .*before-damselfly.* is left/)
  })

  test('leaves lines of ours that somebody edited, and undoes the rest', () => {
    const upstreams = [{ registry: 'docker.io' }, { registry: 'quay.io' }]
    const configured = applied(new Map(), planEngineSetup('containerd', new Map(), { upstreams }))
    const path = '/etc/containerd/certs.d/quay.io/hosts.toml'
    configured.set(path, (configured.get(path) ?? '').replace('"resolve"', '"push"'))
    const plan = planEngineUndo('containerd', configured)
    assert.deepEqual([...applied(configured, plan).keys()], [path])
    assert.match(plan.notes.join('\n'), /left as it is: \/etc\/containerd\/certs\.d\/quay\.io\/hosts\.toml, line 1: .*was edited/)
  })

  test('has nothing to do where nothing was done', () => {
    const files = new Map(Object.entries(possible).map(([path, texts]) => [path, texts[0] ?? '']))
    for (const engine of engines) assert.deepEqual(planEngineUndo(engine, files), { changes: [], notes: [] })
  })
})
