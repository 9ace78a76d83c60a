/// Makes three things of a dialect's table: its routes, for actix, each within the layer that says who is calling; their
/// description, for OpenAPI; and the list of them, for the test that holds both together. The layer is around each route,
/// so it decides before a body is read, and a method that a path doesn't know is answered as such to everybody.
macro_rules! dialect {
    (
        $tag:literal: $about:literal,
        credentials: $credentials:ident,
        errors: $errors:path,
        files: $files:expr;
        $(by $layer:ident: $($path:literal { $($method:ident $module:ident :: $handler:ident),+ })+)+
    ) => {
        pub(super) const DIALECT: $crate::dialects::Dialect = $crate::dialects::Dialect {
            configure,
            described,
            files: $files,
            #[cfg(test)]
            routes: &[$($($(($path, stringify!($method)),)+)+)+],
        };

        fn configure(config: &mut actix_web::web::ServiceConfig) {
            config$($(
                .service(
                    actix_web::web::resource($path)
                        $(.route(
                            actix_web::web::$method()
                                .to($module::$handler)
                                .wrap(actix_web::middleware::from_fn(|state, request, next| {
                                    $layer($path, state, request, next)
                                }))
                        ))+
                )
            )+)+;
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(
            paths($($($($module::$handler,)+)+)+),
            tags((name = $tag, description = $about)),
            components(schemas($errors)),
            modifiers(&$credentials)
        )]
        struct Described;

        fn described() -> utoipa::openapi::OpenApi {
            <Described as utoipa::OpenApi>::openapi()
        }
    };
}
