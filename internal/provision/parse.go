package provision

import (
	"context"
	"errors"
	"strconv"

	"lockstep/internal/expression"
	"lockstep/internal/scim"
)

// A ParseRequest is the body of Graph's synchronizationSchema: parseExpression.
type ParseRequest struct {
	Expression string `json:"expression"`
	// TargetAttributeDefinition, when given, is the attribute that the result has
	// to suit.
	TargetAttributeDefinition *AttributeDefinition `json:"targetAttributeDefinition"`
	// TestInputObject, when given, is the object that the expression is tried on.
	TestInputObject *TestInput `json:"testInputObject"`
}

// A TestInput is an object for trying expressions (Graph: expressionInputObject).
type TestInput struct {
	Properties []TestProperty `json:"properties"`
}

// A TestProperty is one attribute of a [TestInput]. Multi-valued attributes are
// arrays.
type TestProperty struct {
	Key   string           `json:"key"`
	Value expression.Value `json:"value"`
}

// A ParseResponse is the answer to a [ParseRequest] (Graph:
// parseExpressionResponse). What is wrong with the expression is part of the
// answer, not an error of the request.
type ParseResponse struct {
	Error               *PublicError            `json:"error"`
	ParsingSucceeded    bool                    `json:"parsingSucceeded"`
	ParsedExpression    *AttributeMappingSource `json:"parsedExpression"`
	EvaluationSucceeded bool                    `json:"evaluationSucceeded"`
	// EvaluationResult holds the value, or the values of a list, in text form; null
	// is the empty list.
	EvaluationResult []string `json:"evaluationResult"`
}

// A PublicError is an error as Graph embeds it in answers. Code is the kind of
// the expression's error.
type PublicError struct {
	Code       string              `json:"code"`
	Message    string              `json:"message"`
	Target     string              `json:"target"`
	Details    []PublicErrorDetail `json:"details"`
	InnerError *string             `json:"innerError"`
}

// A PublicErrorDetail says where in the expression the error is: Target is the
// position in characters from 0, Message the expression with a caret under it.
type PublicErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target"`
}

// ParseExpression parses an expression, and evaluates it when the request has a
// test object.
func ParseExpression(ctx context.Context, req ParseRequest) ParseResponse {
	res := ParseResponse{EvaluationResult: []string{}}
	p, err := expression.Compile(req.Expression)
	if err != nil {
		res.Error = publicError(err)
		return res
	}
	res.ParsingSucceeded = true
	res.ParsedExpression = SourceOf(p)
	if req.TestInputObject == nil {
		return res
	}
	source := make(expression.Map, len(req.TestInputObject.Properties))
	for _, property := range req.TestInputObject.Properties {
		source[property.Key] = property.Value
	}
	result, err := p.Eval(ctx, &expression.Env{Source: source})
	if err == nil && req.TargetAttributeDefinition != nil {
		err = suits(result.Value, req.TargetAttributeDefinition)
	}
	if err != nil {
		res.Error = publicError(err)
		return res
	}
	res.EvaluationSucceeded = true
	res.EvaluationResult = append(res.EvaluationResult, result.Value.Strings()...)
	return res
}

// suits reports whether the target attribute can hold the value.
func suits(v expression.Value, d *AttributeDefinition) error {
	var t scim.AttributeType
	switch d.Type {
	case DataBoolean:
		t = scim.TypeBoolean
	case DataInteger:
		t = scim.TypeInteger
	default:
		t = scim.TypeString
	}
	f := &AttributeFlow{Type: t, path: &targetPath{list: d.Multivalued}}
	_, err := f.convert(v)
	return err
}

func publicError(err error) *PublicError {
	e := &PublicError{Code: string(expression.ErrorType), Message: err.Error(), Target: "expression", Details: []PublicErrorDetail{}}
	if x, ok := errors.AsType[*expression.Error](err); ok {
		e.Code = string(x.Kind)
		e.Details = append(e.Details, PublicErrorDetail{Code: "position", Message: x.Caret(), Target: strconv.Itoa(x.Pos)})
	}
	return e
}

// SourceOf returns a compiled expression in the form in which attribute mappings
// hold it: a function, an attribute or a constant.
func SourceOf(p *expression.Program) *AttributeMappingSource {
	return sourceFromGraph(p.Graph())
}

func sourceFromGraph(g expression.GraphSource) *AttributeMappingSource {
	s := &AttributeMappingSource{Type: g.Type, Name: g.Name, Expression: g.Expression, Parameters: []*AttributeMappingParameter{}}
	for _, p := range g.Parameters {
		s.Parameters = append(s.Parameters, &AttributeMappingParameter{Key: p.Key, Value: sourceFromGraph(p.Value)})
	}
	return s
}

func (s *AttributeMappingSource) graph() expression.GraphSource {
	g := expression.GraphSource{Type: s.Type, Name: s.Name, Expression: s.Expression}
	for _, p := range s.Parameters {
		if p.Value != nil {
			g.Parameters = append(g.Parameters, expression.GraphParameter{Key: p.Key, Value: p.Value.graph()})
		}
	}
	return g
}

// A FunctionSchema describes one function of the expression language (Graph:
// attributeMappingFunctionSchema).
type FunctionSchema struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Parameters []expression.Parameter `json:"parameters"`
}

// FunctionSchemas lists the functions of the expression language in Graph's form.
func FunctionSchemas() []FunctionSchema {
	functions := expression.Functions()
	out := make([]FunctionSchema, len(functions))
	for i, f := range functions {
		if f.Parameters == nil {
			f.Parameters = []expression.Parameter{}
		}
		out[i] = FunctionSchema{ID: f.Name, Name: f.Name, Parameters: f.Parameters}
	}
	return out
}
