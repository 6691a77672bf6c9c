import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { addressScope, isAddress } from '../../src/oci/address-scope.ts'

describe('addressScope', () => {
  const table: [address: string, scope: string][] = [
    ['8.8.8.8', 'public'],
    ['172.15.255.255', 'public'],
    ['172.32.0.0', 'public'],
    ['223.255.255.255', 'public'],
    ['2606:4700::1111', 'public'],
    ['[2606:4700::1111]', 'public'],
    ['0.0.0.0', 'private'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'private'],
    ['127.0.0.1', 'private'],
    ['127.255.255.254', 'private'],
    ['169.254.169.254', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['224.0.0.1', 'private'],
    ['255.255.255.255', 'private'],
    ['::', 'private'],
    ['::1', 'private'],
    ['[::1]', 'private'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:8.8.8.8', 'public'],
    ['::ffff:a00:1', 'private'],
    ['64:ff9b::a00:1', 'private'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['fe80::1%eth0', 'private'],
    ['ff02::1', 'private'],
    ['2001::1', 'private'],
    ['2002:a00:1::', 'private'],
    ['2001:4860:4860::8888', 'public'],
    ['registry.example', 'private'],
    ['', 'private'],
  ]
  for (const [address, scope] of table) {
    test(`${address || 'nothing'} is ${scope}`, () => {
      assert.equal(addressScope(address), scope)
    })
  }
})

describe('isAddress', () => {
  test('a spelling of an address that the URL parser normalised is one', () => {
    for (const text of ['http://0x7f000001/', 'http://2130706433/', 'http://127.1/', 'http://[::1]:8/']) {
      assert.equal(isAddress(new URL(text).hostname), true, text)
    }
  })

  test('a name is none', () => {
    assert.equal(isAddress('auth.example'), false)
  })
})
