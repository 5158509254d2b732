// ws on Node.js: 32 bytes in, 16 bytes out; 64 bytes to everybody when somebody asks. Run by `go run .` of the folder above.
import { createInterface } from 'node:readline'
import { WebSocketServer } from 'ws'

const [host, port] = process.argv[2].split(':')
const server = new WebSocketServer({ host, port: Number(port), backlog: 4096, perMessageDeflate: false, skipUTF8Validation: true })
server.on('connection', (socket) => {
  socket.on('error', () => {})
  socket.on('message', (data) => {
    if (data[0] === 0x41) socket.send(data.subarray(0, 16))
    if (data[0] === 0x42) for (const other of server.clients) other.send(data.subarray(0, 64))
  })
})

// Each line on standard input asks what heap is used; its end is the process's.
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  console.log(heapUsed + external)
})
lines.on('close', () => process.exit(0))
