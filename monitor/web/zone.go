package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/timepool/timepool/zones"
)

// names is the body of the zone page: who is handed out under a name.
type names struct {
	Name, From string // as asked for: a name below the apex, and a client
	Groups     []nameGroup
	Places     []place // of clients; From is one of them
	Here       any     // the answer as Options.Explain tells it, to From
	Everywhere []place // the same to clients in every site, when that makes a difference
	Rest       []place // further sites, which are not worked out
	Fault      error
}

type nameGroup struct {
	Title string
	Names []string
}

// place is a site, with a client in it.
type place struct {
	Site, Client string
	Told         any
}

// mostTold bounds how many clients' answers one page works out, times members:
// each looks at all of them.
const mostTold = 6000

// explain tells as `timepool explain CLIENT NAME -o json` prints it.
func (p pages) explain(r *http.Request, _ View) (any, error) {
	if p.Explain == nil {
		return nil, nowhere{errors.New("this node explains nothing")}
	}
	return p.Explain(r.FormValue("client"), r.FormValue("name"))
}

func (p pages) zone(r *http.Request, v View) (any, error) {
	name := r.URL.Query().Get("name")
	b := names{Name: name, From: r.URL.Query().Get("from"), Groups: namesOf(v.Registry), Places: placesOf(v.Registry)}
	if b.From == "" {
		b.From = "0.0.0.0/0" // wherever that is, somebody is told
		if len(b.Places) > 0 {
			b.From = b.Places[0].Client
		}
	}
	if p.Explain != nil {
		if b.Here, b.Fault = p.Explain(b.From, name); b.Fault != nil {
			return b, nowhere{b.Fault}
		}
	}
	if b.Here != nil && slices.Contains(b.Groups[0].Names, name) {
		most := min(len(b.Places), max(3, mostTold/(1+len(v.Registry.Members))))
		b.Rest = b.Places[most:]
		for _, at := range b.Places[:most] {
			if at.Told, b.Fault = p.Explain(at.Client, name); b.Fault != nil {
				break
			}
			b.Everywhere = append(b.Everywhere, at)
		}
	}
	return b, nil
}

// namesOf lists what can be asked for below the apex. The first group are
// those whose answer hangs on where the client is. All countries have a name;
// those are listed where somebody of the registry stands.
func namesOf(r *zones.Registry) []nameGroup {
	own := nameGroup{Title: "nearest to the client"}
	for _, pool := range r.Pools {
		own.Names = append(own.Names, pool.Name)
	}
	var sites, countries []string
	for _, s := range r.Sites {
		sites, countries = append(sites, s.Name), append(countries, s.Country)
	}
	for i := range r.Members {
		countries = append(countries, r.Members[i].Country)
	}
	return []nameGroup{own, {"sites", sites}, {"countries", distinct(countries)}, {"continents", zones.Continents[:]}}
}

// placesOf is a client for every site that has a network.
func placesOf(r *zones.Registry) (all []place) {
	for _, s := range r.Sites {
		if len(s.Networks) > 0 {
			all = append(all, place{Site: s.Name, Client: s.Networks[0].String()})
		}
	}
	return all
}
