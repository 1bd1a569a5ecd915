import { ShapeError, ValueError, nn, plot, zeros, type History } from 'neuroxide'
import { bad, row, some, type Rows } from './row.js'

const flat = { loss: [1, 0.5] }
const trained = async (): Promise<History<never>> =>
  await new nn.Sequential(new nn.Linear(2, 1))
    .compile({ optimizer: 'sgd', loss: 'mse' })
    .fit(zeros([4, 2]), zeros([4, 1]), { verbose: 0 })
const history = await trained()

export const plots: Rows = [
  row('plot.curves', ValueError, /undefined; expected named curves/, () => plot.curves(bad())),
  row('plot.curves', ValueError, /no curves; expected at least one/, () => plot.curves({})),
  row('plot.curves', ValueError, /"a" as "loss"; expected numbers/, () => plot.curves({ loss: bad('a') })),
  row('plot.curves', ValueError, /a tensor \[2, 3\] as "x"; expected numbers/, () =>
    plot.curves({ x: some() }),
  ),
  row('plot.curves', ShapeError, /3 places for the 2 numbers of "loss"; expected as many/, () =>
    plot.curves(flat, { x: [1, 2, 3] }),
  ),
  row('plot.curves', ValueError, /0 in "loss" on a logarithmic scale; expected positive/, () =>
    plot.curves({ loss: [1, 0] }, { yScale: 'log' }),
  ),
  row('plot.curves', ValueError, /"root" as yScale; expected 'linear' or 'log'/, () =>
    plot.curves(flat, { yScale: bad('root') }),
  ),
  row('plot.curves', ValueError, /3 as title; expected a text/, () => plot.curves(flat, { title: bad(3) })),
  row('plot.curves', ValueError, /1 as points; expected true or false/, () =>
    plot.curves(flat, { points: bad(1) }),
  ),
  row('plot.curves', ValueError, /10 as width; expected an integer of at least 50/, () =>
    plot.curves(flat, { width: 10 }),
  ),
  row('plot.curves', ValueError, /there is no option "colour"; expected/, () =>
    plot.curves(flat, bad({ colour: 1 })),
  ),
  row('plot.curves', ValueError, /plot.save: "a.gif" as path; expected a file's name/, () =>
    plot.curves(flat).save('a.gif'),
  ),
  row('plot.curves', ValueError, /plot.png: 0 as scale; expected a number in/, () =>
    plot.curves(flat).png({ scale: 0 }),
  ),
  row('plot.confusionMatrix', ShapeError, /a tensor \[2\]; expected counts/, () =>
    plot.confusionMatrix(zeros([2])),
  ),
  row('plot.confusionMatrix', ShapeError, /expected 2 counts in each/, () =>
    plot.confusionMatrix([[1, 2], [3]]),
  ),
  row('plot.confusionMatrix', ShapeError, /an array of 3 as one of 2 rows; expected/, () =>
    plot.confusionMatrix(some()),
  ),
  row('plot.confusionMatrix', ValueError, /-1 as a count; expected/, () => plot.confusionMatrix([[-1]])),
  row('plot.confusionMatrix', ValueError, /NaN as a count; expected/, () => plot.confusionMatrix([[NaN]])),
  row('plot.confusionMatrix', ShapeError, /an array of 1 as labels; expected a list of 2/, () =>
    plot.confusionMatrix(zeros([2, 2]), { labels: ['a'] }),
  ),
  row('plot.confusionMatrix', ValueError, /"yes" as normalize; expected true or false/, () =>
    plot.confusionMatrix([[1]], { normalize: bad('yes') }),
  ),
  row('plot.confusionMatrix', ValueError, /3 as title; expected a text/, () =>
    plot.confusionMatrix([[1]], { title: bad(3) }),
  ),
  row('plot.imageGrid', ValueError, /undefined; expected a tensor/, () => plot.imageGrid(bad())),
  row('plot.imageGrid', ValueError, /3 as a row; expected a tensor/, () => plot.imageGrid([bad(3)])),
  row('plot.imageGrid', ShapeError, /a tensor \[2, 3\]; expected/, () => plot.imageGrid(some())),
  row('plot.imageGrid', ShapeError, /images of 4 × 4, 5 × 4; expected one size/, () =>
    plot.imageGrid([zeros([1, 4, 4]), zeros([1, 5, 4])]),
  ),
  row('plot.imageGrid', ValueError, /an array of 2 as range; expected/, () =>
    plot.imageGrid(zeros([1, 4, 4]), { range: [1, 1] }),
  ),
  row('plot.imageGrid', ValueError, /0 as columns; expected an integer of at least 1/, () =>
    plot.imageGrid(zeros([1, 4, 4]), { columns: 0 }),
  ),
  row('plot.imageGrid', ValueError, /0.5 as zoom; expected an integer of at least 1/, () =>
    plot.imageGrid(zeros([1, 4, 4]), { zoom: 0.5 }),
  ),
  row('plot.imageGrid', ShapeError, /an array of 1 as titles; expected a list of 2/, () =>
    plot.imageGrid([zeros([1, 4, 4]), zeros([1, 4, 4])], { titles: ['a'] }),
  ),
  row('plot.imageGrid', ShapeError, /an array of 0 as captions of a row; expected a list of 1/, () =>
    plot.imageGrid(zeros([1, 4, 4]), { captions: [[]] }),
  ),
  row('plot.imageGrid', ValueError, /3 as title; expected a text/, () =>
    plot.imageGrid(zeros([1, 4, 4]), { title: bad(3) }),
  ),
  row('plot.curves', ValueError, /history.save: "a.txt" as path; expected/, () => history.save('a.txt')),
  row('plot.curves', ValueError, /history.save: there is no option "colour"; expected/, () =>
    history.save('a.svg', bad({ colour: 1 })),
  ),
]
