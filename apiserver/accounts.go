package apiserver

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
)

// accountDepthMax bounds the tree of accounts.
const accountDepthMax = 32

func (s *Server) accountOperations() {
	nounOperations(s, noun[api.Account, api.AccountSpec]{
		singular: "account", plural: "accounts", keepDefault: true,
		get: s.store.GetAccount, list: s.store.ListAccounts, put: s.store.PutAccount, remove: s.store.DeleteAccount,
		nameOf:       func(a api.Account) string { return a.Name },
		generationOf: func(a api.Account) int64 { return a.Generation },
		check:        s.checkAccount,
	})
}

func (s *Server) checkAccount(ctx context.Context, name string, spec api.AccountSpec, wrong *fieldErrors) error {
	checkText("description", spec.Description, wrong)
	parent := spec.Parent
	for depth := 0; parent != ""; depth++ {
		if parent == name || depth >= accountDepthMax {
			wrong.add("parent", "would make a circle, or a tree that is too deep")
			return nil
		}
		a, err := s.store.GetAccount(ctx, parent)
		if api.CodeOf(err) == api.CodeNotFound {
			wrong.add("parent", err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		parent = a.Spec.Parent
	}
	return nil
}
