import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DisposedError, FileError, FormatError, ValueError, io, nn } from 'neuroxide'
import { bad, gone, row, some, type Rows } from './row.js'

const folder = mkdtempSync(join(tmpdir(), 'neuroxide-bad-'))
const at = (name: string): string => join(folder, name)
const none = at('there-is-none')
const garbage = at('garbage')
writeFileSync(garbage, 'this is no file of tensors')
const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 2))

export const tensorFiles: Rows = [
  row('io.saveTensors', ValueError, /3 as path; expected that of a file/, () => io.saveTensors(bad(3), {})),
  row('io.saveTensors', ValueError, /"" as path; expected/, () => io.saveTensors('', {})),
  row('io.saveTensors', ValueError, /"a\\u0000" as path; expected/, () => io.saveTensors('a\0', {})),
  row('io.saveTensors', ValueError, /a URL as path; expected/, () =>
    io.saveTensors(new URL('http://a.b/c'), {}),
  ),
  row('io.saveTensors', ValueError, /undefined as tensors; expected a record or a Map/, () =>
    io.saveTensors(none, bad()),
  ),
  row('io.saveTensors', ValueError, /3 as "x"; expected a tensor/, () => io.saveTensors(none, bad({ x: 3 }))),
  row('io.saveTensors', ValueError, /as name; expected a text of Unicode/, () =>
    io.saveTensors(none, { '\uD800': some() }),
  ),
  row('io.saveTensors', ValueError, /called "__metadata__"; expected another name/, () =>
    io.saveTensors(none, { __metadata__: some() }),
  ),
  row('io.saveTensors', ValueError, /no option "meta"; expected metadata/, () =>
    io.saveTensors(none, {}, bad({ meta: {} })),
  ),
  row('io.saveTensors', ValueError, /1 as metadata "a"; expected a text/, () =>
    io.saveTensors(none, {}, { metadata: bad({ a: 1 }) }),
  ),
  row('io.saveTensors', DisposedError, /expected a tensor that still exists/, () =>
    io.saveTensors(none, { x: gone() }),
  ),
  row('io.saveTensors', FileError, /creating a file beside it failed: .+; expected a folder/, () =>
    io.saveTensors(join(none, 'x'), { x: some() }),
  ),
  row('io.saveTensors', FileError, /a folder, a device, or no name at all; expected/, () =>
    io.saveTensors(folder, { x: some() }),
  ),
  row('io.loadTensors', ValueError, /null as path; expected/, () => io.loadTensors(bad(null))),
  row('io.loadTensors', FileError, /could not be opened: .+; expected/, () => io.loadTensors(none)),
  row('io.loadTensors', FileError, /a folder, a pipe or a device; expected a file/, () =>
    io.loadTensors(folder),
  ),
  row('io.loadTensors', FormatError, /a header of \d+ bytes in a file of 26; expected/, () =>
    io.loadTensors(garbage),
  ),
]

export const numpyFiles: Rows = [
  row('io.saveNpy', ValueError, /undefined as path; expected/, () => io.saveNpy(bad(), some())),
  row('io.saveNpy', ValueError, /an array of 2 as array; expected a tensor/, () =>
    io.saveNpy(none, bad([1, 2])),
  ),
  row('io.saveNpz', ValueError, /3 as tensors; expected a record or a Map/, () => io.saveNpz(none, bad(3))),
  row('io.saveNpz', ValueError, /"..\/x" as name in an npz; expected/, () =>
    io.saveNpz(none, { '../x': some() }),
  ),
  row('io.loadNpy', FormatError, /does not begin as npy files do; expected/, () => io.loadNpy(garbage)),
  row('io.loadNpz', FormatError, /no zip that can be read: .+; expected/, () => io.loadNpz(garbage)),
]

export const modelFiles: Rows = [
  row('Model#save', ValueError, /3 as path; expected/, () => net().save(bad(3))),
  row('Model#save', ValueError, /no option "optimiser"; expected/, () =>
    net().save(none, bad({ optimiser: true })),
  ),
  row('Model#save', ValueError, /1 as optimizer; expected true or false/, () =>
    net().save(none, bad({ optimizer: 1 })),
  ),
  row('Model#save', ValueError, /without an optimizer; expected compile\(\) before/, () =>
    net().save(none, { optimizer: true }),
  ),
  row('Model#save', ValueError, /"format" in metadata; expected another key/, () =>
    net().save(none, { metadata: { format: 'mine' } }),
  ),
  row('Model#saveWeights', ValueError, /false as path; expected/, () => net().saveWeights(bad(false))),
  row('Model#loadWeights', ValueError, /undefined as path; expected/, () => net().loadWeights(bad())),
  row('Model#loadWeights', ValueError, /no option "loose"; expected strict/, () =>
    net().loadWeights(none, bad({ loose: true })),
  ),
  row('Model#loadWeights', FileError, /could not be opened: .+; expected/, () => net().loadWeights(none)),
  row('nn.Sequential.load', ValueError, /an object as path; expected/, () => nn.Sequential.load(bad({}))),
  row('nn.Sequential.load', FormatError, /expected one within the file/, () => nn.Sequential.load(garbage)),
]
