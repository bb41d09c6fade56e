"""The PhoneIQ API in one place: OpenAPI document, contact model, HTTP session."""
