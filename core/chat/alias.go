package chat

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/halobestie/bestie-gateway/core"
)

// Everybody is what mitras see of every customer when customer_anonymity is anonymous.
const Everybody = "Bestie"

// The two halves of an alias. Both lists only grow at their ends by a deliberate change: another length gives most customers
// another name.
var (
	aliasNouns = [...]string{
		"Awan", "Angin", "Bintang", "Bulan", "Cemara", "Danau", "Embun", "Fajar", "Gunung", "Hujan", "Jingga", "Kabut", "Kelana",
		"Kenanga", "Langit", "Laut", "Lentera", "Melati", "Mentari", "Merpati", "Ombak", "Padi", "Pelangi", "Pinus", "Rembulan",
		"Rimba", "Rusa", "Sakura", "Samudra", "Senja", "Sungai", "Teratai",
	}
	aliasAdjectives = [...]string{
		"Anggun", "Baik", "Berani", "Bijak", "Cerah", "Ceria", "Damai", "Elok", "Gigih", "Hangat", "Hening", "Indah", "Jelita",
		"Jernih", "Jujur", "Kuat", "Lapang", "Lembut", "Manis", "Mekar", "Nyaman", "Permai", "Putih", "Ramah", "Riang", "Sabar",
		"Sahaja", "Santun", "Sejuk", "Tabah", "Tenang", "Teduh",
	}
)

// AliasOf is a customer's made-up name, such as "Langit Tenang": the same on every instance and for ever, and telling
// nothing about the customer. Several customers may share one.
func AliasOf(id core.CustomerID) string {
	h := fnv.New64a()
	h.Write(id[:])
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	noun := binary.BigEndian.Uint32(sum[:4]) % uint32(len(aliasNouns))
	adjective := binary.BigEndian.Uint32(sum[4:]) % uint32(len(aliasAdjectives))
	return aliasNouns[noun] + " " + aliasAdjectives[adjective]
}

// CustomerName is what a mitra sees of a customer, by customer_anonymity. A customer without a display name has its
// alias.
func CustomerName(id core.CustomerID, displayName string, shown core.Anonymity) string {
	switch {
	case shown == core.Anonymous:
		return Everybody
	case shown == core.RealName && displayName != "":
		return displayName
	default:
		return AliasOf(id)
	}
}
