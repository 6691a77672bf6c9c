/**
 * For tests of what is built on Damselfly: a registry in process that misbehaves on demand, images made from a seed, a clock that is moved by
 * hand, and the suites that prove plugins.
 *
 * @packageDocumentation
 */

// Origins and images
export { embeddedOrigin } from './embedded-origin.ts'
export type { EmbeddedOrigin, EmbeddedOriginOptions, RequestCounts, SeenRequest } from './embedded-origin.ts'
export type { OriginAuth } from './origin-auth.ts'
export type { OriginFault } from './origin-fault.ts'
export { contentOf, seededContent } from './seeded-content.ts'
export type { BlobContent } from './seeded-content.ts'
export { testImage } from './test-image.ts'
export type { TestImage, TestImageOptions } from './test-image.ts'

// Time, and swarms as pictures
export { fakeClock } from './fake-clock.ts'
export type { FakeClock } from './fake-clock.ts'
export { drawPieces, swarmPicture } from './swarm-picture.ts'
export type { PicturedPeer, SwarmDrawing, SwarmPicture } from './swarm-picture.ts'

// What plugins promise
export type { ConformanceCase } from './conformance-case.ts'
export { discoveryConformance } from './discovery-conformance.ts'
export type { DiscoveryFixture } from './discovery-conformance.ts'
export { storageBackendConformance } from './storage-backend-conformance.ts'
export type { StorageBackendFixture } from './storage-backend-conformance.ts'
export { scratchConformance } from './scratch-conformance.ts'
export type { ScratchFixture } from './scratch-conformance.ts'
