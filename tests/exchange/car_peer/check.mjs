// Archives through the eyes of the IPLD project's own JavaScript.
//
//   node check.mjs walk FILE          re-hash every block, go from the root to every delta, print what is there
//   node check.mjs rewrite FILE OUT   the same blocks, last first, as @ipld/car writes them

import { createReadStream, createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CarBlockIterator, CarReader, CarWriter } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

async function blockOf (reader, cid) {
  const block = await reader.get(cid)
  if (block === undefined) throw new Error(`the block ${cid} is not in the file`)
  return dagCbor.decode(block.bytes)
}

async function walk (path) {
  const reader = await CarReader.fromIterable(createReadStream(path))
  let blocks = 0
  for await (const { cid, bytes } of reader.blocks()) {
    const found = CID.createV1(dagCbor.code, await sha256.digest(bytes))
    if (!found.equals(cid)) throw new Error(`the block that stands as ${cid} is ${found}`)
    blocks += 1
  }
  const [root, ...more] = await reader.getRoots()
  if (more.length > 0) throw new Error('more than one root')
  const { format, count, shards } = await blockOf(reader, root)
  const deltas = []
  for (const shard of shards) {
    for (const cid of (await blockOf(reader, shard)).deltas) {
      const [signature, payload] = await blockOf(reader, cid)
      deltas.push({
        cid: cid.toString(),
        author: Buffer.from(payload.author).toString('hex'),
        signature: Buffer.from(signature).toString('hex'),
        system: payload.system,
        facts: payload.facts.length,
        links: payload.facts.flatMap(([, , , causes]) => causes.map(String))
      })
    }
  }
  return { version: reader.version, root: root.toString(), format, count, blocks, deltas }
}

async function rewrite (path, target) {
  const found = await CarBlockIterator.fromIterable(createReadStream(path))
  const blocks = []
  for await (const block of found) blocks.unshift(block)
  const { writer, out } = CarWriter.create(await found.getRoots())
  const written = pipeline(Readable.from(out), createWriteStream(target))
  for (const block of blocks) await writer.put(block)
  await writer.close()
  await written
  return { blocks: blocks.length }
}

const [verb, ...files] = process.argv.slice(2)
console.log(JSON.stringify(await { walk, rewrite }[verb](...files)))
