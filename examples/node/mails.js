// Prints sender, recipients, subject and attachments of each mail in the topic, one line of JSON a mail.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Consumer, stringDeserializer } from '@platformatic/kafka'
import PostalMime from 'postal-mime'

const { BROKERS = '127.0.0.1:9092', TOPIC = 'mail', GROUP = 'example-node' } = process.env

/** The whole message: the record's value, or the object that it refers to. */
async function messageOf(attributes, value) {
  const url = attributes.get('ce_dataref')
  if (url === undefined) return value
  if (url.startsWith('file:')) return readFile(fileURLToPath(url))
  console.error(`${attributes.get('ce_id')}: only the header section is here, the message is at ${url}`)
  return value
}

/** What is printed of a mail. */
async function facts(attributes, message) {
  const mail = await PostalMime.parse(message)
  return {
    sender: attributes.get('ce_smtpfrom'), // empty for a bounce
    recipients: JSON.parse(attributes.get('ce_smtpto')),
    subject: mail.subject ?? null,
    attachments: mail.attachments
      .filter((part) => part.disposition === 'attachment')
      .map((part) => ({ name: part.filename, type: part.mimeType, size: part.content.byteLength }))
  }
}

/** Prints a record that is a mail; says on standard error what is none, or cannot be read. */
async function handle(record) {
  const place = `${record.topic}:${record.partition}:${record.offset}`
  // Attributes that are not used here, and ones of a later version, are simply not looked at.
  const attributes = record.headers
  if (record.value == null || !attributes.get('ce_type')?.startsWith('io.ringpost.mail.')) {
    return console.error(`${place}: passed over: not a mail of ringpost`)
  }
  try {
    console.log(JSON.stringify(await facts(attributes, await messageOf(attributes, record.value))))
  } catch (error) { // The content is a stranger's: one bad mail must not stop all others.
    console.error(`${place}: cannot be read: ${error}`)
  }
}

const consumer = new Consumer({
  clientId: GROUP,
  groupId: GROUP,
  bootstrapBrokers: BROKERS.split(','),
  retries: true, // For ever: a broker that is away comes back.
  deserializers: { headerKey: stringDeserializer, headerValue: stringDeserializer }
})
const records = await consumer.consume({ topics: [TOPIC], mode: 'committed', fallbackMode: 'earliest', autocommit: false })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => records.close())
for await (const record of records) {
  await handle(record)
  // At least once: an offset is committed when its record has been handled.
  await record.commit()
}
await consumer.close()
