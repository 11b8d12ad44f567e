// Package powerresponse translates what Equiwatt's PowerResponse platform says
// into events. It only translates: it stores nothing, waits for nothing but
// the network, and reads no clock but the one it is given.
//
// PowerResponse is for suppliers and aggregators (https://developer.equiwatt.com/)
// and has other hosts, keys and events than the household API of package
// equiwatt. Its second generation is spoken (paths under /api/v1, camelCase
// fields), as the vendor's own client does
// (https://github.com/equiwatt/saas_client_python); of an event the first
// generation's field names are understood too
// (https://github.com/equiwatt/docs, api-reference/openapi.json).
//
// Key rule: an event's UUID is its identity, so what the API says of it has
// the key "event/<uuid>" and a later answer is a newer version of the same. A
// webhook's types, body and identity are not documented, so a delivery is the
// same again where its bytes are: "hook/<start of the body's SHA-256>". It is
// a Notice and a hint only: that the event of that UUID is worth reading.
//
// The API has no call that lists events. A UUID that no webhook ever named is
// not known, and one that was named is read again until it is over; see Next.
package powerresponse

// Source is the name of this vendor in events, topics and paths.
const Source = "powerresponse"
