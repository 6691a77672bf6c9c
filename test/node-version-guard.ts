/** Refuses to test on a Node that the package does not support, instead of failing somewhere odd. */
export default function guard(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return
  throw new RangeError(
    `these tests need Node 22.19 or later and run on ${process.versions.node}: run them with npm test after npm ci`,
  )
}
