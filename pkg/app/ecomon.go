package app

import (
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/ecomon"
)

func (c Config) ecomon() source {
	on, missing := c.Ecomon.On()
	s := source{
		name: "ecomon", title: "Ecomon", on: on, missing: missing, warning: c.Ecomon.Warning(),
		hooks: intake.Source{Name: "ecomon", Limit: 64 << 10, Verify: c.Ecomon.Verify, Decode: ecomon.Decode},
	}
	if c.Ecomon.Unsigned {
		s.hooks.Verify = nil
	}
	return s
}
